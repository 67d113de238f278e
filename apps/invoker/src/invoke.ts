import {
  type CloudFunction,
  type InvocationRequest,
  type InvocationResult,
  type Lane,
  type RegisteredApi,
  traceIdOf,
  writeTime,
} from '@cf/contract';
import type { RegistryCache } from '@cf/registry-cache';
import type { Logger } from 'pino';
import { type Admission, admitRequest, lastMomentMs } from './admit-request.js';
import type { EndpointCaller } from './call-endpoint.js';
import { decideNext, type Decision } from './decide-next.js';
import type { EndpointOptions } from './http/endpoint.js';
import type { InvokerMetrics } from './invoker-metrics.js';
import type { AskedPauses } from './limits/asked-pauses.js';
import type { CircuitBreakers } from './limits/circuit-breakers.js';
import type { FunctionConcurrency } from './limits/function-concurrency.js';
import type { StepSlots } from './limits/step-slots.js';
import { type Callee, type CalleeRefusal, prepareCallee } from './prepare-callee.js';
import { failedUncalled, heldByCircuit, heldByPause, notCalled, type Sending, tooLate, withoutToken } from './sending.js';
import { WORKER_NAME } from './worker-name.js';

/** `executions` keeps what is paused; this only bounds how often it comes back while one of us has not heard of the pause or its end. */
const PAUSE_MS = 1_000;

export interface InvokerParts {
  readonly lane: Lane;
  readonly cache: RegistryCache;
  readonly caller: EndpointCaller;
  readonly breakers: CircuitBreakers;
  readonly concurrency: FunctionConcurrency;
  readonly slots: StepSlots;
  readonly pauses: AskedPauses;
  readonly endpointOptions: EndpointOptions;
  readonly metrics: InvokerMetrics;
  readonly logger: Logger;
}

const noSlot = (): Sending => failedUncalled('rate_limited', 'all concurrent calls of the function were in use until the deadline');

/** How a request came to this worker. */
export interface Arrival {
  readonly traceparent: string;
  /** The earliest moment at which this worker could have called, ms since the epoch. */
  readonly atMs: number;
  /** More than the function may have waiting: it is not called. */
  readonly isSurplus?: boolean;
}

/** Says of each request of one lane whether it is called now, and what follows once it was. */
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
      sending = failedUncalled('internal', 'an unexpected error of the service');
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
    await this.parts.caller.close();
  }

  private async send(request: InvocationRequest, { traceparent, atMs, isSurplus }: Arrival): Promise<Sending> {
    const lastMs = lastMomentMs(request);
    if (lastMs !== null && Date.now() >= lastMs) return atMs < lastMs ? noSlot() : tooLate();
    const admission = this.admitKnown(request) ?? (await this.admitOnceHeardOf(request));
    if (admission.admitted === 'later') return notCalled({ kind: 'paused', untilMs: Date.now() + PAUSE_MS });
    if (!admission.admitted) return failedUncalled(admission.reason, admission.detail);
    const callee = this.calleeOf(admission.cloudFunction, admission.api);
    if ('reason' in callee) return this.refusedBy(callee, request);

    const { key } = callee;
    const circuit = this.parts.breakers.heldNow(key);
    if (circuit !== null) return heldByCircuit(circuit);
    if (request.kind === 'trigger' && !request.test) {
      const pauseEndMs = this.parts.pauses.endOf(key, Date.now());
      if (pauseEndMs !== null) return heldByPause(pauseEndMs);
    }
    if (isSurplus) return notCalled({ kind: 'surplus' });
    const call = { request, cloudFunction: admission.cloudFunction, callee, lastMs, traceparent };
    if (lastMs === null) return await this.parts.caller.call(call);

    const cap = (): number => this.parts.concurrency.limitOf(request.orgId, request.cloudFunctionId);
    const slot = this.parts.slots.take(key, cap, lastMs);
    if (slot !== true && !(await slot)) return noSlot();
    try {
      return await this.parts.caller.call(call);
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
    return refusal.reason === 'auth_token'
      ? withoutToken(request, refusal, [], Date.now())
      : failedUncalled(refusal.reason, refusal.detail);
  }
}
