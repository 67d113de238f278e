/** Offsets as half-open ranges, flat and ascending: `[from, to, from, to, …]`, never touching. */
export type OffsetRanges = readonly number[];

/** Appends a range that begins at or after the end of the last one. */
export const appendRange = (ranges: number[], from: number, to: number): void => {
  if (from >= to) return;
  if (ranges.at(-1) === from) ranges[ranges.length - 1] = to;
  else ranges.push(from, to);
};
