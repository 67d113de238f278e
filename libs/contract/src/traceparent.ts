/** Ids of zeros alone name no trace and no span (W3C Trace Context §3.2.2). */
const PATTERN = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Random bytes are drawn many at a time: one draw for each span was a tenth of the cost of a call. */
const DRAWN_BYTES = 4_096;
const random = Buffer.alloc(DRAWN_BYTES);
let drawn = '';
let used = 0;

const randomHex = (digits: number): string => {
  if (used + digits > drawn.length) {
    globalThis.crypto.getRandomValues(random);
    drawn = random.toString('hex');
    used = 0;
  }
  return drawn.slice(used, (used += digits));
};

/** Where the span id stands between version, trace id and flags. */
const SPAN_ID = { from: 36, to: 52 } as const;

/** The next span of a W3C trace: keeps the trace id of a readable parent, begins a trace otherwise. */
export const nextTraceparent = (parent: string | undefined): string =>
  parent === undefined || !PATTERN.test(parent)
    ? `00-${randomHex(32)}-${randomHex(16)}-01`
    : `${parent.slice(0, SPAN_ID.from)}${randomHex(16)}${parent.slice(SPAN_ID.to)}`;

/** The parts of a W3C traceparent, null when it cannot be read. */
export const readTraceparent = (traceparent: string | undefined): { traceId: string; spanId: string; flags: number } | null => {
  const [, traceId, spanId, flags] = (traceparent === undefined ? null : PATTERN.exec(traceparent)) ?? [];
  return traceId === undefined || spanId === undefined || flags === undefined
    ? null
    : { traceId, spanId, flags: Number.parseInt(flags, 16) };
};

/** The trace id of a W3C traceparent, null when it cannot be read. */
export const traceIdOf = (traceparent: string | undefined): string | null => readTraceparent(traceparent)?.traceId ?? null;
