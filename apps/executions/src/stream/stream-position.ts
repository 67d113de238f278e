/** A place in the order of changes: transaction, row within it, id within the row; and when, by the clock of the database, the change there was. */
export interface StreamPosition {
  readonly xid: bigint;
  readonly position: bigint;
  readonly index: number;
  readonly atMs: number;
}

export const isAfter = (a: StreamPosition, b: StreamPosition): boolean => {
  if (a.xid !== b.xid) return a.xid > b.xid;
  if (a.position !== b.position) return a.position > b.position;
  return a.index > b.index;
};

/** Whether all that came after a place is noted still. */
export const isKept = ({ atMs }: StreamPosition, nowMs: number, keptMs: number): boolean => nowMs - atMs < keptMs;

/** The id of an event, by which its reader goes on later. It holds the time, so that a place that is not kept any more is known. */
export const writePosition = ({ xid, position, index, atMs }: StreamPosition): string => `${xid}-${position}-${index}-${atMs}`;

/** Null for what is no such id. The release before wrote the time at which it told the change. */
export const readPosition = (id: string): StreamPosition | null => {
  const [, xid, position, index, atMs] = /^(\d{1,19})-(\d{1,18})-(\d{1,9})-(\d{1,15})$/.exec(id) ?? [];
  if (xid === undefined || position === undefined) return null;
  return { xid: BigInt(xid), position: BigInt(position), index: Number(index), atMs: Number(atMs) };
};
