/**
 * The call of one admitted request: token, circuit, exchange, record.
 *
 * One exchange, all inside the time of the function; a second one only after a connection that carried nothing (steps) or a token that
 * was refused. How it ended teaches the circuit and the limits of the function.
 */
import { type Attempt, type CloudFunction, type InvocationRequest, sameId } from '@cf/contract';
import type { CallOutcome } from './decide-next.js';
import type { CustomerHttp } from './http/customer-http.js';
import type { Exchange } from './http/exchange.js';
import { beginRequestSpan } from './http/request-span.js';
import { interpretExchange, isBreakerFailure } from './interpret-exchange.js';
import type { InvokerMetrics } from './invoker-metrics.js';
import type { CircuitBreakers } from './limits/circuit-breakers.js';
import { learnFromCall, type LearningLimits } from './limits/learn-from-call.js';
import type { AccessToken } from './oauth/token-source.js';
import type { Callee } from './prepare-callee.js';
import { recordAttempt } from './record-attempt.js';
import { heldByCircuit, type Sending, tooLate, withoutToken } from './sending.js';

export interface EndpointCallerParts extends LearningLimits {
  readonly http: CustomerHttp;
  readonly breakers: CircuitBreakers;
  readonly metrics: InvokerMetrics;
}

export interface AdmittedCall {
  readonly request: InvocationRequest;
  /** What the function's circuit is filed under. */
  readonly key: string;
  readonly cloudFunction: CloudFunction;
  readonly callee: Callee;
  /** By when it must have ended, ms since the epoch; null without a deadline. */
  readonly lastMs: number | null;
  readonly traceparent: string;
}

/** No byte left, so a step may be sent once more without being called twice (product.md §5). */
const isUnsentStep = ({ kind }: InvocationRequest, { failure: failed, sent }: Exchange): boolean =>
  kind === 'step' && failed?.reason === 'connection' && !sent;

/** Calls the endpoints of one lane. */
export class EndpointCaller {
  constructor(private readonly parts: EndpointCallerParts) {}

  async call(admitted: AdmittedCall): Promise<Sending> {
    const { request, key, cloudFunction, callee, lastMs } = admitted;
    const startedAtMs = Date.now();
    const endsAtMs = Math.min(startedAtMs + cloudFunction.timeoutMs, lastMs ?? Number.POSITIVE_INFINITY);
    if (endsAtMs - startedAtMs < 1) return tooLate();
    // Before the breaker: a token server that fails says nothing about the endpoint.
    const { tokens } = callee.endpoint;
    const answer = tokens === null ? null : await tokens.get(endsAtMs, admitted.traceparent);
    if (answer?.ok === false) return withoutToken(request, answer, [], startedAtMs);
    const permit = this.parts.breakers.admit(key, cloudFunction.circuitResetAt);
    if ('untilMs' in permit) return heldByCircuit(permit);
    const calledAtMs = tokens === null ? startedAtMs : Date.now();
    let sending: Omit<Sending, 'circuit'>;
    try {
      sending = await this.exchange(admitted, answer?.token ?? null, endsAtMs);
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

  close(): Promise<void> {
    return this.parts.http.close();
  }

  private async exchange(admitted: AdmittedCall, first: AccessToken | null, endsAtMs: number): Promise<Omit<Sending, 'circuit'>> {
    const { request, callee } = admitted;
    const attempts: Attempt[] = [];
    let token = first;
    let resent = false;
    let renewed = false;
    for (;;) {
      const number = request.attempt + attempts.length;
      const { exchange, outcome, attempt } = await this.post(admitted, token, number, endsAtMs);
      attempts.push(attempt);
      const endedAtMs = Date.now();
      if (!resent && isUnsentStep(request, exchange) && endedAtMs < endsAtMs) {
        resent = true;
        continue;
      }
      if (token === null || exchange.status === null) return { outcome, attempts };
      token.worked ||= exchange.status !== 401;
      if (exchange.status !== 401 || renewed || endedAtMs >= endsAtMs) return { outcome, attempts };
      const next = await callee.endpoint.tokens?.renew(token, endsAtMs, admitted.traceparent);
      if (next === undefined || next === null) return { outcome, attempts };
      if (!next.ok) return withoutToken(request, next, attempts, endedAtMs);
      token = next.token;
      renewed = true;
    }
  }

  private async post(
    { request, callee: { endpoint, signer }, traceparent }: AdmittedCall,
    token: AccessToken | null,
    number: number,
    endsAtMs: number,
  ): Promise<{ exchange: Exchange; outcome: CallOutcome; attempt: Attempt }> {
    const { http, lane, metrics } = this.parts;
    const budgetMs = Math.max(1, endsAtMs - Date.now());
    const span = beginRequestSpan('POST', endpoint.origin, traceparent, () => ({
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
