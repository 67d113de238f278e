import { type InvocationKind, readReturnValue, TRIGGER_RETRY_DELAY_MS } from '@cf/contract';
import type { CallOutcome } from './decide-next.js';
import type { Exchange } from './http/exchange.js';
import type { ReadBody } from './http/response-body.js';

/** `Retry-After` in seconds or as an HTTP date, at most an hour; null when there is none that can be read. */
export const readRetryAfter = (header: string | undefined, nowMs: number): number | null => {
  const text = header?.trim() ?? '';
  const atMs = /^\d{1,10}$/.test(text) ? nowMs + Number(text) * 1_000 : /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(atMs) ? null : Math.min(TRIGGER_RETRY_DELAY_MS.max, Math.max(0, atMs - nowMs));
};

const failed = (
  exchange: Exchange,
  reason: Extract<CallOutcome, { kind: 'failed' }>['reason'],
  detail: string | null,
  retryAfterMs: number | null = null,
) => ({ kind: 'failed', reason, detail, httpStatus: exchange.status, retryAfterMs }) as const;

const returned = ({ state, bytes }: ReadBody): Pick<Extract<CallOutcome, { kind: 'answered' }>, 'returnValue' | 'warning'> =>
  state === 'unknown_encoding' || state === 'undecodable' ? { returnValue: null, warning: state } : readReturnValue(bytes);

/** The table of outcomes (product.md §5) for steps; any 2xx is success for a trigger, however large or odd its body is. */
export const interpretExchange = (kind: InvocationKind, exchange: Exchange, nowMs: number): CallOutcome => {
  const { failure, status, headers, body } = exchange;
  if (failure !== null || status === null) return failed(exchange, failure?.reason ?? 'connection', failure?.detail ?? null);
  if (status < 200 || status > 299) return failed(exchange, 'http_status', null, readRetryAfter(headers['retry-after'], nowMs));
  if (kind === 'trigger') return { kind: 'answered', httpStatus: status, returnValue: null, warning: null };
  if (body.state === 'too_large') return failed(exchange, 'response_too_large', 'body');
  return { kind: 'answered', httpStatus: status, ...returned(body) };
};

/** What the breaker counts against an endpoint (product.md §5). */
export const isBreakerFailure = (outcome: CallOutcome): boolean => {
  if (outcome.kind !== 'failed') return false;
  if (outcome.reason === 'http_status') return outcome.httpStatus !== null && (outcome.httpStatus === 429 || outcome.httpStatus >= 500);
  return ['timeout', 'connection', 'dns', 'tls'].includes(outcome.reason);
};
