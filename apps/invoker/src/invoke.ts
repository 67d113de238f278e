import {
  type Attempt,
  type CircuitState,
  type InvocationRequest,
  type InvocationResult,
  type RegisteredApi,
  type CloudFunction,
  sameId,
  traceIdOf,
  writeTime,
} from '@cf/contract';
import { beginSpan } from '@cf/messaging';
import type { RegistryCache } from '@cf/registry-cache';
import type { Logger } from 'pino';
import { type Admission, admitRequest, lastMomentMs } from './admit-request.js';
import { type CallOutcome, decideNext, type Decision } from './decide-next.js';
import type { CustomerHttp } from './http/customer-http.js';
import type { EndpointOptions } from './http/endpoint.js';
import { type Exchange, notSent } from './http/exchange.js';
import { interpretExchange, isBreakerFailure } from './interpret-exchange.js';
import type { InvokerMetrics } from './invoker-metrics.js';
import type { CircuitBreakers, Held } from './limits/circuit-breakers.js';
import { functionKey } from './limits/function-concurrency.js';
import { learnFromCall, type LearningLimits } from './limits/learn-from-call.js';
import type { StepSlots } from './limits/step-slots.js';
import type { AccessToken } from './oauth/token-source.js';
import { type Callee, type CalleeRefusal, prepareCallee } from './prepare-callee.js';
import { recordAttempt } from './record-attempt.js';
import { WORKER_NAME } from './worker-name.js';

/** Spreads what waits for one function over its next seconds. */
const HELD_JITTER_MS = 10_000;
/** `executions` keeps what is paused; this only bounds how often it comes back while one of us has not heard of the pause or its end. */
const PAUSE_MS = 1_000;

export interface InvokerParts extends LearningLimits {
  readonly cache: RegistryCache;
  readonly http: CustomerHttp;
  readonly breakers: CircuitBreakers;
  readonly slots: StepSlots;
  readonly endpointOptions: EndpointOptions;
  readonly metrics: InvokerMetrics;
  readonly logger: Logger;
}

interface Sending {
  readonly outcome: CallOutcome;
  readonly attempts: Attempt[];
  /** The state of the function's circuit, null while it stays closed. */
  readonly circuit: CircuitState | null;
}

const failure = (reason: Extract<CallOutcome, { kind: 'failed' }>['reason'], detail: string): Sending => ({
  outcome: { kind: 'failed', reason, detail, httpStatus: null, retryAfterMs: null },
  attempts: [],
  circuit: null,
});

const held = (reason: 'circuit_open' | 'rate_limited', untilMs: number, detail: string, circuit: CircuitState | null): Sending => ({
  outcome: { kind: 'held', reason, detail, untilMs: untilMs + Math.random() * HELD_JITTER_MS },
  attempts: [],
  circuit,
});
const heldByCircuit = ({ untilMs, state }: Held): Sending =>
  held('circuit_open', untilMs, 'the endpoint failed too often and is left alone for a moment', state);

const tooLate = (): Sending => failure('deadline_exceeded', 'came too late to be called');
const noSlot = (): Sending => failure('rate_limited', 'all concurrent calls of the function were in use until the deadline');

/** A token that cannot be had is an attempt: it is shown, and the next one waits longer. */
const withoutToken = (request: InvocationRequest, { reason, detail }: CalleeRefusal, attempts: Attempt[], startedAtMs: number): Sending => {
  const sent = { number: request.attempt + attempts.length, headers: {}, secrets: [] };
  const attempt = recordAttempt(request, sent, notSent(startedAtMs), { reason, detail });
  return { ...failure(reason, detail), attempts: [...attempts, attempt] };
};

/** No byte left, so a step may be sent once more without being called twice (product.md §5). */
const isUnsentStep = ({ kind }: InvocationRequest, { failure: failed, sent }: Exchange): boolean =>
  kind === 'step' && failed?.reason === 'connection' && !sent;

/** How a request came to this worker. */
export interface Arrival {
  readonly traceparent: string;
  /** The earliest moment at which this worker could have called, ms since the epoch. */
  readonly atMs: number;
  /** More than the function may have waiting: it is not called. */
  readonly isSurplus?: boolean;
}

/** Sends requests of one lane to customers' endpoints. */
export class Invoker {
  /** By function, for as long as the registry keeps that state of it. */
  private readonly callees = new WeakMap<CloudFunction, { api: RegisteredApi; callee: Callee | CalleeRefusal }>();

  constructor(private readonly parts: InvokerParts) {}

  /** One sending of a request, from admission to the decision about what follows. Never rejects: what nobody foresaw is `internal`. */
  async invoke(request: InvocationRequest, came: Arrival): Promise<InvocationResult> {
    let sending: Sending;
    try {
      sending = await this.send(request, came);
    } catch (error) {
      this.parts.logger.error(
        { err: error, invocationId: request.invocationId, traceId: traceIdOf(came.traceparent) },
        'an invocation failed unexpectedly',
      );
      sending = failure('internal', 'an unexpected error of the service');
    }
    const nowMs = Date.now();
    const decision = decideNext(request, sending.outcome, nowMs, Math.random);
    this.parts.metrics.ended(this.parts.lane, decision);
    if (this.parts.logger.isLevelEnabled('debug')) this.tell(request, decision, sending, came);
    const circuit = sending.circuit === null ? null : { state: sending.circuit, worker: WORKER_NAME };
    return { request, ...decision, attempts: sending.attempts, completedAt: writeTime(nowMs), circuit };
  }

  async onApplicationShutdown(): Promise<void> {
    this.parts.breakers.close();
    await this.parts.http.close();
  }

  private async send(request: InvocationRequest, { traceparent, atMs, isSurplus }: Arrival): Promise<Sending> {
    const lastMs = lastMomentMs(request);
    if (lastMs !== null && Date.now() >= lastMs) return atMs < lastMs ? noSlot() : tooLate();
    const admission = this.admitKnown(request) ?? (await this.admitOnceHeardOf(request));
    if (admission.admitted === 'later') return { outcome: { kind: 'paused', untilMs: Date.now() + PAUSE_MS }, attempts: [], circuit: null };
    if (!admission.admitted) return failure(admission.reason, admission.detail);
    const callee = this.calleeOf(admission.cloudFunction, admission.api);
    if ('reason' in callee) return this.refusedBy(callee, request);

    const key = functionKey(request.orgId, request.cloudFunctionId);
    const circuit = this.parts.breakers.heldNow(key);
    if (circuit !== null) return heldByCircuit(circuit);
    if (request.kind === 'trigger' && !request.test) {
      const pauseEndMs = this.parts.pauses.endOf(key, Date.now());
      if (pauseEndMs !== null) return held('rate_limited', pauseEndMs, 'the endpoint asked to be left alone for a while', null);
    }
    if (isSurplus) return { outcome: { kind: 'surplus' }, attempts: [], circuit: null };
    if (lastMs === null) return this.guarded(request, key, admission.cloudFunction, callee, lastMs, traceparent);

    const cap = (): number => this.parts.concurrency.limitOf(request.orgId, request.cloudFunctionId);
    const slot = this.parts.slots.take(key, cap, lastMs);
    if (slot !== true && !(await slot)) return noSlot();
    try {
      return await this.guarded(request, key, admission.cloudFunction, callee, lastMs, traceparent);
    } finally {
      this.parts.slots.release(key, cap);
    }
  }

  /** One line for each sending, found by its invocation or its trace; nothing of what was sent or answered. */
  private tell(
    request: InvocationRequest,
    { disposition, outcome, failureReason, httpStatus }: Decision,
    sending: Sending,
    came: Arrival,
  ): void {
    const { invocationId, seq, orgId, cloudFunctionId } = request;
    const ended = { disposition, outcome, failureReason, httpStatus, attempts: sending.attempts.length };
    this.parts.logger.debug(
      { invocationId, seq, traceId: traceIdOf(came.traceparent), orgId, cloudFunctionId, lane: this.parts.lane, ...ended },
      'sent',
    );
  }

  /** Null when what it says may not have reached this process yet. */
  private admitKnown(request: InvocationRequest): Admission | null {
    const { cache } = this.parts;
    if (request.configOffset !== null && request.configOffset > cache.position) return null;
    const admission = admitRequest(request, cache);
    return admission.admitted === false && admission.unknown ? null : admission;
  }

  private async admitOnceHeardOf(request: InvocationRequest): Promise<Admission> {
    const { cache } = this.parts;
    await cache.reached(request.configOffset);
    const admission = admitRequest(request, cache);
    if (admission.admitted !== false || !admission.unknown) return admission;
    await cache.caughtUp();
    return admitRequest(request, cache);
  }

  private calleeOf(cloudFunction: CloudFunction, api: RegisteredApi): Callee | CalleeRefusal {
    const known = this.callees.get(cloudFunction);
    if (known?.api === api) return known.callee;
    const callee = prepareCallee(cloudFunction, api, this.parts.endpointOptions);
    this.callees.set(cloudFunction, { api, callee });
    return callee;
  }

  private refusedBy(refusal: CalleeRefusal, request: InvocationRequest): Sending {
    return refusal.reason === 'auth_token' ? withoutToken(request, refusal, [], Date.now()) : failure(refusal.reason, refusal.detail);
  }

  private async guarded(
    request: InvocationRequest,
    key: string,
    cloudFunction: CloudFunction,
    callee: Callee,
    lastMs: number | null,
    traceparent: string,
  ): Promise<Sending> {
    const startedAtMs = Date.now();
    const endsAtMs = Math.min(startedAtMs + cloudFunction.timeoutMs, lastMs ?? Number.POSITIVE_INFINITY);
    if (endsAtMs - startedAtMs < 1) return tooLate();
    // Before the breaker: a token server that fails says nothing about the endpoint.
    const { tokens } = callee.endpoint;
    const answer = tokens === null ? null : await tokens.get(endsAtMs);
    if (answer?.ok === false) return withoutToken(request, answer, [], startedAtMs);
    const permit = this.parts.breakers.admit(key, cloudFunction.circuitResetAt);
    if ('untilMs' in permit) return heldByCircuit(permit);
    const calledAtMs = tokens === null ? startedAtMs : Date.now();
    let sending: Omit<Sending, 'circuit'>;
    try {
      sending = await this.exchange(request, callee, answer?.token ?? null, endsAtMs, traceparent);
    } catch (error) {
      await permit.end(true);
      throw error;
    }
    const { outcome } = sending;
    const failed = isBreakerFailure(outcome);
    const call = { startedAtMs: calledAtMs, endedAtMs: Date.now(), budgetMs: endsAtMs - calledAtMs };
    learnFromCall(this.parts, { cloudFunction, outcome, failed, ...call });
    return { ...sending, circuit: await permit.end(failed) };
  }

  /** One exchange; a second one only after a connection that carried nothing or a token that was refused, inside the same time. */
  private async exchange(
    request: InvocationRequest,
    callee: Callee,
    first: AccessToken | null,
    endsAtMs: number,
    traceparent: string,
  ): Promise<Omit<Sending, 'circuit'>> {
    const attempts: Attempt[] = [];
    let token = first;
    let resent = false;
    let renewed = false;
    for (;;) {
      const number = request.attempt + attempts.length;
      const { exchange, outcome, attempt } = await this.post(request, callee, token, number, endsAtMs, traceparent);
      attempts.push(attempt);
      const endedAtMs = Date.now();
      if (!resent && isUnsentStep(request, exchange) && endedAtMs < endsAtMs) {
        resent = true;
        continue;
      }
      if (token === null || exchange.status === null) return { outcome, attempts };
      token.worked ||= exchange.status !== 401;
      if (exchange.status !== 401 || renewed || endedAtMs >= endsAtMs) return { outcome, attempts };
      const next = await callee.endpoint.tokens?.renew(token, endsAtMs);
      if (next === undefined || next === null) return { outcome, attempts };
      if (!next.ok) return withoutToken(request, next, attempts, endedAtMs);
      token = next.token;
      renewed = true;
    }
  }

  private async post(
    request: InvocationRequest,
    { endpoint, signer }: Callee,
    token: AccessToken | null,
    number: number,
    endsAtMs: number,
    traceparent: string,
  ): Promise<{ exchange: Exchange; outcome: CallOutcome; attempt: Attempt }> {
    const { http, lane, metrics } = this.parts;
    const budgetMs = Math.max(1, endsAtMs - Date.now());
    const span = beginSpan('POST', 'client', traceparent, () => ({
      'http.request.method': 'POST',
      'server.address': endpoint.origin,
      'cf.invocation_id': request.invocationId,
      'cf.cloud_function_id': request.cloudFunctionId,
      'cf.attempt': number,
    }));
    const own = {
      'x-cloud-function-invocation-id': request.invocationId,
      'x-cloud-function-attempt': String(number),
      'x-cloud-function-budget-ms': String(budgetMs),
      traceparent: span.traceparent,
    };
    const signed = signer?.sign({ invocationId: request.invocationId, path: endpoint.path, body: request.body, atMs: Date.now() });
    metrics.started(lane);
    const orgId = sameId(request.orgId);
    const exchange = await http.post({
      orgId,
      target: endpoint,
      headers: signed === undefined && token === null ? own : { ...own, ...signed?.headers, ...token?.headers },
      body: request.body,
      budgetMs,
    });
    const outcome = interpretExchange(request.kind, exchange, Date.now());
    metrics.exchanged(lane, exchange.durationMs, outcome);
    span.end({
      attributes: { 'http.response.status_code': exchange.status ?? undefined },
      error: outcome.kind === 'failed' ? outcome.reason : null,
    });
    const secrets =
      signed === undefined && token === null
        ? endpoint.secrets
        : [...endpoint.secrets, ...(signed?.signatures ?? []), ...(token?.secrets ?? [])];
    const sent = { number, headers: { ...endpoint.loggedHeaders, ...own, ...signed?.loggedHeaders, ...token?.loggedHeaders }, secrets };
    return { exchange, outcome, attempt: recordAttempt(request, sent, exchange, outcome.kind === 'failed' ? outcome : null) };
  }
}
