import { z } from 'zod';
import type { Exchange, ExchangeFailure } from '../http/exchange.js';
import { maskSecrets } from '../mask-secrets.js';

/** Longer than any JWT that a server would take in a header. */
const TOKEN_CHARS_MAX = 16 * 1024;
const ERROR_CODE_CHARS_MAX = 64;
/** Before its end by so much a token is no longer used, so that it does not expire on the way (product.md §3). */
const EXPIRY_MARGIN_MS = 60_000;
const UNTOLD_LIFETIME_MS = 5 * 60_000;
/** A token that claims to live longer is asked for anew all the same: the claim may be nonsense. */
const LIFETIME_MS_MAX = 24 * 60 * 60_000;

export type ReadToken =
  | { readonly ok: true; readonly value: string; readonly usableForMs: number }
  | { readonly ok: false; readonly reason: 'auth_token' | 'blocked_address'; readonly detail: string };

const granted = z.object({
  access_token: z
    .string()
    .regex(/^[\x21-\x7e]+$/)
    .max(TOKEN_CHARS_MAX),
  token_type: z.string().regex(/^bearer$/i),
  expires_in: z.unknown().optional(),
});

const failed = (detail: string): ReadToken => ({ ok: false, reason: 'auth_token', detail });

const parse = (bytes: Buffer): unknown => {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return null;
  }
};

/** Seconds, also as the text that some servers write; anything else is as good as absent. */
const usableForMs = (expiresIn: unknown): number => {
  const seconds = typeof expiresIn === 'string' && /^\d{1,15}$/.test(expiresIn) ? Number(expiresIn) : expiresIn;
  if (typeof seconds !== 'number' || !(seconds > 0)) return UNTOLD_LIFETIME_MS;
  return Math.max(0, Math.min(seconds * 1_000, LIFETIME_MS_MAX) - EXPIRY_MARGIN_MS);
};

/** The error code of RFC 6749 §5.2 in printable characters, without the secrets that a server may put into it. */
const errorCodeOf = (answer: unknown, secrets: readonly string[]): string | null => {
  const code =
    typeof answer === 'object' && answer !== null && Object.hasOwn(answer, 'error') ? (answer as { error: unknown }).error : null;
  if (typeof code !== 'string' || code === '') return null;
  return maskSecrets(code, secrets)
    .replace(/[^\x21-\x7e]/g, '?')
    .slice(0, ERROR_CODE_CHARS_MAX);
};

const unreached = (reason: ExchangeFailure, detail: string): ReadToken =>
  reason === 'blocked_address' ? { ok: false, reason, detail } : failed(`the token server: ${reason} (${detail})`);

/** What a token server answered, as a token or as the reason why there is none. The reason holds nothing secret. */
export const readToken = ({ failure, status, body }: Exchange, secrets: readonly string[]): ReadToken => {
  if (failure !== null) return unreached(failure.reason, failure.detail);
  const answer = body.state === 'whole' ? parse(body.bytes) : null;
  if (status !== 200) {
    const code = errorCodeOf(answer, secrets);
    return failed(code === null ? `the token server answered ${status}` : `${code}: the token server answered ${status}`);
  }
  if (body.state !== 'whole') return failed(`the token server's answer is ${body.state.replaceAll('_', ' ')}`);
  const read = granted.safeParse(answer);
  if (read.success) return { ok: true, value: read.data.access_token, usableForMs: usableForMs(read.data.expires_in) };
  const code = errorCodeOf(answer, secrets);
  if (code !== null) return failed(`${code}: the token server answered 200`);
  const [field] = read.error.issues[0]?.path ?? [];
  return failed(field === undefined ? "the token server's answer is no JSON object" : `the token server's ${String(field)} cannot be used`);
};
