import { setTimeout as delay } from 'node:timers/promises';
import { type CallHandler, type ExecutionContext, Inject, Injectable, type NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { LOGGER, Metrics } from '@cf/service-kit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { lastValueFrom, type Observable, of } from 'rxjs';
import { ANSWERED_IN_TRANSACTION, type AnswerInTransaction } from './answered-in-transaction.js';
import { IdempotencyKeys } from './idempotency-keys.js';
import { type KeptAnswer, KeyedRequest } from './keyed-request.js';
import { AnsweredBefore, inUse, KeyedTransaction, runKeyed, WAIT_MS } from './keyed-transaction.js';

const POLL_MS = 100;
const JSON_TYPE = 'application/json; charset=utf-8';
/** Only back-tests say more; they change nothing, and the next one with the key runs anew. */
const KEPT_CHARS_MAX = 1024 * 1024;
const KEPT_HEADERS = ['content-type', 'etag', 'location'];

/** Handles each keyed POST once (`idempotency-keys.ts`); one without a key passes through and touches no database. */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  private readonly requests;

  constructor(
    private readonly keys: IdempotencyKeys,
    private readonly reflector: Reflector,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.requests = metrics.counter(
      'cf_idempotent_requests_total',
      'Requests with an Idempotency-Key, by whether they were handled or answered again',
      ['outcome'],
    );
  }

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const key = request.headers['idempotency-key'];
    if (request.method !== 'POST' || key === undefined) return next.handle();
    const keyed = new KeyedRequest(request, key);
    const reply = http.getResponse<FastifyReply>();
    const handle = (): Promise<unknown> => lastValueFrom(next.handle(), { defaultValue: undefined });
    const answerOf = this.reflector.get<((result: unknown) => AnswerInTransaction) | undefined>(
      ANSWERED_IN_TRANSACTION,
      context.getHandler(),
    );
    return of(answerOf === undefined ? await this.byLease(keyed, reply, handle) : await this.inTransaction(keyed, reply, handle, answerOf));
  }

  private async inTransaction(
    keyed: KeyedRequest,
    reply: FastifyReply,
    handle: () => Promise<unknown>,
    answerOf: (result: unknown) => AnswerInTransaction,
  ): Promise<unknown> {
    // Before anything is looked at again: what was right then may be refused now, such as a time that has come.
    const before = await this.keys.find((sql, params) => this.keys.database.query(sql, params), keyed);
    if (before !== null) return this.replay(before, reply);
    const toKeep = (result: unknown): KeptAnswer => {
      const { headers, body } = answerOf(result);
      return { status: reply.statusCode, headers, body: JSON.stringify(body) };
    };
    try {
      const value = await runKeyed(new KeyedTransaction(this.keys, keyed, toKeep), handle);
      this.requests.inc({ outcome: 'handled' });
      return value;
    } catch (error) {
      if (error instanceof AnsweredBefore) return this.replay(error.answer, reply);
      throw error;
    }
  }

  private async byLease(keyed: KeyedRequest, reply: FastifyReply, handle: () => Promise<unknown>): Promise<unknown> {
    const { database } = this.keys;
    const run: typeof database.query = (sql, params) => database.query(sql, params);
    let claim = await this.keys.claim(run, keyed);
    for (const giveUpAtMs = Date.now() + WAIT_MS; claim.state === 'running' && Date.now() < giveUpAtMs; ) {
      await delay(POLL_MS);
      claim = await this.keys.claim(run, keyed);
    }
    if (claim.state === 'running') throw inUse();
    if (claim.state === 'answered') return this.replay(claim.answer, reply);
    const { claim: held } = claim;
    let value: unknown;
    try {
      value = await handle();
    } catch (error) {
      await this.keys
        .release(run, keyed, held)
        .catch((failure: unknown) => this.logger.warn({ err: failure }, 'a key stays claimed for its lease'));
      throw error;
    }
    // What happened is answered, also when it cannot be kept: after the lease it is handled again.
    const answer = answerThatLeaves(value, reply);
    const isKept = (answer.body?.length ?? 0) <= KEPT_CHARS_MAX;
    await (isKept ? this.keys.keep(run, keyed, held, answer) : this.keys.release(run, keyed, held)).catch((failure: unknown) =>
      this.logger.warn({ err: failure }, 'the answer to a keyed request could not be kept'),
    );
    this.requests.inc({ outcome: 'handled' });
    return value;
  }

  private replay({ status, headers, body }: KeptAnswer, reply: FastifyReply): unknown {
    this.requests.inc({ outcome: 'replayed' });
    void reply.status(status).headers({ ...(body !== null && { 'content-type': JSON_TYPE }), ...headers, 'idempotency-replayed': 'true' });
    return body ?? undefined;
  }
}

const answerThatLeaves = (value: unknown, reply: FastifyReply): KeptAnswer => ({
  status: reply.statusCode,
  headers: Object.fromEntries(
    KEPT_HEADERS.flatMap((name) => {
      const header = reply.getHeader(name);
      return typeof header === 'string' ? [[name, header]] : [];
    }),
  ),
  body: value === undefined || value === null ? null : typeof value === 'string' ? value : JSON.stringify(value),
});
