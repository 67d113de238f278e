import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { type Attempt, type FailureReason, type InvocationRequest, LOGGED_BODY_BYTES_MAX, writeTime } from '@cf/contract';
import { MASK } from './http/endpoint.js';
import type { Exchange } from './http/exchange.js';
import { maskSecrets } from './mask-secrets.js';

/** Names and values of response headers kept on record; the body has its own bound. */
const LOGGED_HEADERS_CHARS_MAX = 8 * 1024;
/** Credentials that an endpoint hands out are secrets of its owner too. */
const MASKED_RESPONSE_HEADERS = new Set(['set-cookie', 'authorization', 'www-authenticate', 'authentication-info']);

const loggedHeaders = (headers: IncomingHttpHeaders, secrets: readonly string[]): Record<string, string> => {
  const kept: [string, string][] = [];
  let room = LOGGED_HEADERS_CHARS_MAX;
  for (const [name, value] of Object.entries(headers)) {
    const text = MASKED_RESPONSE_HEADERS.has(name) ? MASK : maskSecrets(String(value ?? ''), secrets);
    room -= name.length + text.length;
    if (room < 0) break;
    kept.push([name, text]);
  }
  return Object.fromEntries(kept);
};

/** The end of the last whole UTF-8 character within the bound. */
const wholeCharacters = (bytes: Buffer, bytesMax: number): number => {
  if (bytes.length <= bytesMax) return bytes.length;
  let end = bytesMax;
  while (end > bytesMax - 4 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return end;
};

const loggedBody = ({ state, bytes }: Exchange['body'], secrets: readonly string[]): { body: string; truncated: boolean } => {
  // Masked before it is cut, so that no secret is cut in two and shown.
  const masked = secrets.length === 0 ? bytes : Buffer.from(maskSecrets(bytes.toString('utf8'), secrets), 'utf8');
  const end = wholeCharacters(masked, LOGGED_BODY_BYTES_MAX);
  return { body: masked.toString('utf8', 0, end), truncated: end < masked.length || state === 'too_large' || state === 'broken_off' };
};

export interface SentAs {
  readonly number: number;
  /** Secrets masked. */
  readonly headers: Record<string, string>;
  readonly secrets: readonly string[];
}

/** One exchange for the record: bounded, and without anything secret. */
export const recordAttempt = (
  request: InvocationRequest,
  sent: SentAs,
  exchange: Exchange,
  failure: { readonly reason: FailureReason; readonly detail: string | null } | null,
): Attempt => ({
  attemptId: randomUUID(),
  number: sent.number,
  origin: request.origin,
  startedAt: writeTime(exchange.startedAtMs),
  durationMs: exchange.durationMs,
  httpStatus: exchange.status,
  failureReason: failure?.reason ?? null,
  failureDetail: failure?.detail ?? null,
  request: { headers: sent.headers },
  response:
    exchange.status === null
      ? null
      : { headers: loggedHeaders(exchange.headers, sent.secrets), ...loggedBody(exchange.body, sent.secrets) },
});
