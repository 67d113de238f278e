const PATTERN = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

const hex = (bytes: number): string => {
  const random = globalThis.crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('');
};

/** The next span of a W3C trace: keeps the trace id of a readable parent, begins a trace otherwise. */
export const nextTraceparent = (parent: string | undefined): string => {
  const known = parent === undefined ? null : PATTERN.exec(parent);
  return known === null ? `00-${hex(16)}-${hex(8)}-01` : `00-${known[1]}-${hex(8)}-${known[3]}`;
};

/** The trace id of a W3C traceparent, null when it cannot be read. */
export const traceIdOf = (traceparent: string | undefined): string | null =>
  (traceparent === undefined ? null : PATTERN.exec(traceparent)?.[1]) ?? null;
