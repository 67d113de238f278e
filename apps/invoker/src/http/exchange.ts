/**
 * One HTTP exchange with a customer's endpoint, as a handler of undici.
 *
 * One timer bounds all of it: waiting for a connection, look-up, dial, TLS, headers, body, decoding. It ends exactly once:
 * - `timeout` when the timer is first. If the request was not written yet it never will be (`onRequestStart` throws), else
 *   the connection is cut.
 * - a failure of the connection, or an answer that breaks HTTP/1.1.
 * - an answer, whole or cut because it is too large; in the second case the connection is cut.
 *
 * `sent` says whether a byte of the request can have left: undici calls `onRequestStart` right before it writes.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { DialError } from './dial-error.js';
import { contentCoding, NO_BODY, type ReadBody, ResponseBody } from './response-body.js';
import { describeTlsFailure, isTlsCode } from './tls-failure.js';
import { WireOverflowError } from './wire-meter.js';

export type ExchangeFailure = 'dns' | 'tls' | 'connection' | 'timeout' | 'blocked_address' | 'response_too_large' | 'invalid_request';

export interface Exchange {
  /** ms since the epoch. */
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly sent: boolean;
  /** Null: an answer came, `status` is set. */
  readonly failure: { readonly reason: ExchangeFailure; readonly detail: string } | null;
  /** Also set where the answer failed after its headers. */
  readonly status: number | null;
  readonly headers: IncomingHttpHeaders;
  readonly body: ReadBody;
}

/** An exchange that did not take place; what stood in its way took from then until now. */
export const notSent = (startedAtMs: number): Exchange => ({
  startedAtMs,
  durationMs: Date.now() - startedAtMs,
  sent: false,
  failure: null,
  status: null,
  headers: {},
  body: NO_BODY,
});

/** Half of what Node's own servers take; real answers have some dozens. */
const HEADERS_MAX = 1_000;

const countOf = ({ rawHeaders }: Dispatcher.DispatchController): number => (Array.isArray(rawHeaders) ? rawHeaders.length / 2 : 0);

/** Never leaves this file: it tells undici that nobody waits any more. */
class Abandoned extends Error {}

const classify = (error: Error): { reason: ExchangeFailure; detail: string } => {
  const code = (error as { code?: string }).code ?? error.name;
  if (error instanceof DialError) return { reason: error.reason, detail: error.message };
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return { reason: 'response_too_large', detail: 'headers' };
  if (error instanceof WireOverflowError) return { reason: 'response_too_large', detail: error.message };
  if (code === 'UND_ERR_INVALID_ARG') return { reason: 'invalid_request', detail: error.message };
  if (isTlsCode(code)) return { reason: 'tls', detail: describeTlsFailure(code) };
  return { reason: 'connection', detail: code };
};

const hasLengthWithoutBody = (status: number | null, error: Error): boolean =>
  (status === 204 || status === 304) && (error as { code?: string }).code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH';

export class ExchangeHandler implements Dispatcher.DispatchHandler {
  private readonly startedAtMs = Date.now();
  private readonly startedAt = performance.now();
  private readonly timer: NodeJS.Timeout;
  private controller: Dispatcher.DispatchController | null = null;
  private body: ResponseBody | null = null;
  private status: number | null = null;
  private headers: IncomingHttpHeaders = {};
  private sent = false;
  private over = false;

  constructor(
    budgetMs: number,
    private readonly resolve: (exchange: Exchange) => void,
  ) {
    this.timer = setTimeout(() => this.fail({ reason: 'timeout', detail: `no whole answer within ${budgetMs} ms` }), budgetMs);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.over) throw new Abandoned();
    this.controller = controller;
    this.sent = true;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (this.over || status < 200) return;
    const coding = headers['transfer-encoding'];
    if (coding !== undefined && !/^chunked$/i.test(String(coding).trim())) {
      return this.fail({ reason: 'connection', detail: 'a transfer coding that was not asked for' });
    }
    if (countOf(controller) > HEADERS_MAX) return this.fail({ reason: 'response_too_large', detail: `more than ${HEADERS_MAX} headers` });
    this.status = status;
    this.headers = headers;
    this.body = new ResponseBody(contentCoding(headers['content-encoding']), (body) => this.answered(body));
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.body?.write(chunk);
  }

  onResponseEnd(): void {
    this.controller = null;
    this.body?.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.controller = null;
    if (this.over) return;
    // Without a body by definition, a length that says otherwise is only odd; undici takes it for a broken answer.
    if (hasLengthWithoutBody(this.status, error)) this.answered(NO_BODY);
    else if (error instanceof WireOverflowError && this.body !== null) this.answered({ state: 'too_large', bytes: this.body.soFar() });
    else this.fail(classify(error));
  }

  private answered(body: ReadBody): void {
    this.finish(null, body);
  }

  private fail(failure: { reason: ExchangeFailure; detail: string }): void {
    const partial = this.body?.soFar();
    this.finish(failure, partial === undefined ? NO_BODY : { state: 'broken_off', bytes: partial });
  }

  private finish(failure: Exchange['failure'], body: ReadBody): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.timer);
    this.body?.discard();
    // Still set when the answer has not ended: what follows must not be read.
    this.controller?.abort(new Abandoned());
    this.controller = null;
    this.resolve({
      startedAtMs: this.startedAtMs,
      durationMs: Math.round((performance.now() - this.startedAt) * 10) / 10,
      sent: this.sent,
      failure,
      status: this.status,
      headers: this.headers,
      body,
    });
  }
}
