/**
 * The access token of one state of one Registered API, in memory only.
 *
 * - none: the first call asks the token server, and calls that come meanwhile wait for the same answer, each within its own
 *   deadline. The request itself may take as long as the longest function, so that a slow server serves the calls after.
 * - kept: until a minute before it expires.
 * - failed: for a second everybody gets the same reason at once, so that a broken server is asked once a second.
 * - refused with 401 by the endpoint: whoever held that very token asks for another; if there is a younger one already, that is
 *   used. A renewed token that never worked is not renewed again for a second: its endpoint refuses them all.
 *
 * An edit of the API makes a new state and so a new source; nothing has to be dropped.
 */
import { FUNCTION_TIMEOUT_MS } from '@cf/contract';
import { MASK } from '../http/endpoint.js';
import type { CustomerHttp } from '../http/customer-http.js';
import { beginRequestSpan } from '../http/request-span.js';
import { type ReadToken, readToken } from './read-token.js';
import type { TokenRequest } from './token-request.js';

const ASK_AGAIN_AFTER_MS = 1_000;

export interface AccessToken {
  readonly headers: { readonly authorization: string };
  readonly loggedHeaders: { readonly authorization: string };
  readonly secrets: readonly [string];
  /** Set by whoever used it: the endpoint took it at least once. */
  worked: boolean;
}

export type TokenFailure = Extract<ReadToken, { ok: false }>;
export type TokenAnswer = { readonly ok: true; readonly token: AccessToken } | TokenFailure;

export interface TokenSourceOptions {
  readonly http: CustomerHttp;
  /** Called for each token request with how it went. */
  readonly onAsked: (answer: ReadToken) => void;
}

const late = (waitMs: number): TokenFailure => ({ ok: false, reason: 'auth_token', detail: `no access token within ${waitMs} ms` });

const within = (waitMs: number, answer: Promise<TokenAnswer>): Promise<TokenAnswer> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => resolve(late(waitMs)), waitMs);
    void answer.then((given) => {
      clearTimeout(timer);
      resolve(given);
    });
  });

export class TokenSource {
  private kept: { readonly token: AccessToken; readonly untilMs: number } | null = null;
  private failed: { readonly answer: TokenFailure; readonly untilMs: number } | null = null;
  private underWay: Promise<TokenAnswer> | null = null;
  private renewedAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly request: TokenRequest,
    private readonly options: TokenSourceOptions,
  ) {}

  /**
   * A token, or why there is none. Never rejects, and answers by `endsAtMs` (ms since the epoch). `traceparent`: whose trace has the
   * request in it, should this call be the one that asks; others only wait.
   */
  get(endsAtMs: number, traceparent?: string): TokenAnswer | Promise<TokenAnswer> {
    const nowMs = Date.now();
    if (this.kept !== null && nowMs < this.kept.untilMs) return { ok: true, token: this.kept.token };
    if (this.underWay === null && this.failed !== null && nowMs < this.failed.untilMs) return this.failed.answer;
    this.underWay ??= this.ask(traceparent);
    return within(Math.max(1, endsAtMs - nowMs), this.underWay);
  }

  /** Another token than this one, which the endpoint refused; null when asking again would only get one that is refused too. */
  renew(refused: AccessToken, endsAtMs: number, traceparent?: string): TokenAnswer | Promise<TokenAnswer> | null {
    if (this.kept?.token === refused) {
      const nowMs = Date.now();
      if (!refused.worked && nowMs - this.renewedAtMs < ASK_AGAIN_AFTER_MS) return null;
      this.renewedAtMs = nowMs;
      this.kept = null;
    }
    return this.get(endsAtMs, traceparent);
  }

  /** Asks the token server once, whatever is kept, and keeps nothing. */
  async askOnce(budgetMs: number, traceparent?: string): Promise<ReadToken> {
    const { orgId, target, body, secrets } = this.request;
    const span = beginRequestSpan('POST access token', target.origin, traceparent, () => ({ 'cf.org_id': orgId }));
    const exchange = await this.options.http.post({ orgId, target, headers: {}, body, budgetMs });
    const answer = readToken(exchange, secrets);
    span.end({
      attributes: { 'http.response.status_code': exchange.status ?? undefined },
      error: answer.ok ? null : (exchange.failure?.reason ?? answer.reason),
    });
    this.options.onAsked(answer);
    return answer;
  }

  private async ask(traceparent: string | undefined): Promise<TokenAnswer> {
    const read = await this.askOnce(FUNCTION_TIMEOUT_MS.max, traceparent);
    this.underWay = null;
    if (!read.ok) {
      this.failed = { answer: read, untilMs: Date.now() + ASK_AGAIN_AFTER_MS };
      return read;
    }
    this.failed = null;
    const token: AccessToken = {
      headers: { authorization: `Bearer ${read.value}` },
      loggedHeaders: { authorization: MASK },
      secrets: [read.value],
      worked: false,
    };
    this.kept = { token, untilMs: Date.now() + read.usableForMs };
    return { ok: true, token };
  }
}
