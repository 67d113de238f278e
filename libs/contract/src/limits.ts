/** Bounds that more than one service must agree on, each with its reason. */

/** A chat event on the wire (guarantees.md §7). */
export const CHAT_EVENT_BYTES_MAX = 256 * 1024;
/** Internal topics and `dead.letters` take an event that was escaped into a request and again into a result. */
export const TOPIC_MESSAGE_BYTES_MAX = 2 * 1024 * 1024;
/** `valueBase64` of a dead letter is cut here so that the letter itself always fits its topic. */
export const DEAD_LETTER_VALUE_BYTES_MAX = 1024 * 1024;
/** Response body after decompression (product.md §5). */
export const RESPONSE_BODY_BYTES_MAX = 64 * 1024;
/** Response bytes on the wire, so that padding or a slow bomb ends early. */
export const RESPONSE_WIRE_BYTES_MAX = 1024 * 1024;
/** Header bytes of a response. */
export const RESPONSE_HEADER_BYTES_MAX = 64 * 1024;
/** What an execution keeps of a body (product.md §6). */
export const LOGGED_BODY_BYTES_MAX = 8 * 1024;
export const RETURN_VALUE_CHARS_MAX = 4096;

export const FUNCTION_TIMEOUT_MS = { min: 1_000, default: 10_000, max: 30_000 } as const;
export const MAX_CONCURRENCY = { min: 1, default: 50, max: 1_000 } as const;

/** Added to the function's timeout when a step request names no deadline: room for two hops and a wait for a slot. */
export const STEP_DEADLINE_SLACK_MS = 5_000;
/** No step waits longer, whatever its deadline says: a person is waiting. */
export const STEP_DEADLINE_MAX_MS = 60_000;
/** The invoker stops this long before the deadline, so that its result still arrives in time. */
export const STEP_INVOKER_MARGIN_MS = 500;
/** The gateway waits this long after the deadline before it answers 504. */
export const STEP_GATEWAY_MARGIN_MS = 2_000;
/** A request id stays an idempotency key for this long (product.md §5). */
export const STEP_IDEMPOTENCY_MS = 10 * 60_000;

/** Triggers are retried until this long after the event came (product.md §6). */
export const TRIGGER_RETRY_WINDOW_MS = 24 * 60 * 60_000;
export const TRIGGER_RETRY_DELAY_MS = { first: 1_000, max: 60 * 60_000 } as const;
/** Share of a function's concurrency that triggers may use; the rest is for people who wait (guarantees.md §4). */
export const TRIGGER_CONCURRENCY_SHARE = 0.8;
/** How far back a new owner of a trigger partition reads to know what was called already; the smaller of the two. */
export const DUPLICATE_WINDOW = { ms: 5 * 60_000, records: 100_000 } as const;
/** Invocations per trigger and chat in one minute of broker time before the loop guard suppresses (guarantees.md §4). */
export const LOOP_GUARD = { windowMs: 60_000, default: 30, messagePosted: 120 } as const;

/** After `abandonedAfterMs` without a request a worker forgets a circuit, also an open one; so what it said of it is true for no longer. */
export const BREAKER = {
  errorPercentage: 50,
  callsMin: 20,
  windowMs: 10_000,
  probeAfterMs: 30_000,
  abandonedAfterMs: 10 * 60_000,
} as const;

/** How long an organization's executions are kept (guarantees.md §5); topics keep their own retention. */
export const RETENTION_DAYS = { min: 1, default: 30, max: 365 } as const;
