/**
 * The call of one admitted request: token, circuit, exchange, record.
 *
 * One exchange, all inside the time of the function; a second one only after a connection that carried nothing (steps) or a token that
 * was refused. How it ended teaches the circuit and the limits of the function.
 */
import { type Attempt, type CloudFunction, type InvocationRequest, sameId } from '@cf/contract';
import type { OpenSpan } from '@cf/messaging';
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
import { recordAttempt, type SentAs } from './record-attempt.js';
import { heldByCircuit, type Sending, tooLate, withoutToken } from './sending.js';

export interface EndpointCallerParts extends LearningLimits {
  readonly http: CustomerHttp;
  readonly breakers: CircuitBreakers;
  readonly metrics: InvokerMetrics;
}

export interface AdmittedCall {
  readonly request: InvocationRequest;
  readonly cloudFunction: CloudFunction;
  readonly callee: Callee;
  /** By when it must have ended, ms since the epoch; null without a deadline. */
  readonly lastMs: number | null;
  readonly traceparent: string;
}

interface SentCall {
  readonly exchange: Promise<Exchange>;
  readonly span: OpenSpan;
  readonly sent: SentAs;
}

/** No byte left, so a step may be sent once more without being called twice (product.md §5). */
const isUnsentStep = ({ kind }: InvocationRequest, { failure: failed, sent }: Exchange): boolean =>
  kind === 'step' && failed?.reason === 'connection' && !sent;

/** Calls the endpoints of one lane. */
export class EndpointCaller {
  constructor(private readonly parts: EndpointCallerParts) {}

  async call(admitted: AdmittedCall): Promise<Sending> {
    const { request, cloudFunction, callee, lastMs } = admitted;
    const startedAtMs = Date.now();
    const endsAtMs = Math.min(startedAtMs + cloudFunction.timeoutMs, lastMs ?? Number.POSITIVE_INFINITY);
    if (endsAtMs - startedAtMs < 1) return tooLate();
    // Before the breaker: a token server that fails says nothing about the endpoint.
    const { key, endpoint } = callee;
    const { tokens } = endpoint;
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
    learnFromCall(this.parts, { key, cloudFunction, outcome, failed, ...call });
    const circuit = permit.end(failed);
    return { outcome, attempts: sending.attempts, circuit: circuit === null ? null : await circuit };
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
      const call = this.post(admitted, token, request.attempt + attempts.length, endsAtMs);
      const exchange = await call.exchange;
      const { outcome, attempt } = this.answered(admitted, call, exchange);
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

  private post(
    { request, callee: { endpoint, signer }, traceparent }: AdmittedCall,
    token: AccessToken | null,
    number: number,
    endsAtMs: number,
  ): SentCall {
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
    const isPlain = signed === undefined && token === null;
    metrics.started(lane);
    const exchange = http.post({
      orgId: sameId(request.orgId),
      target: endpoint,
      headers: isPlain ? own : { ...own, ...signed?.headers, ...token?.headers },
      body: request.body,
      budgetMs,
    });
    return {
      exchange,
      span,
      sent: {
        number,
        headers: { ...endpoint.loggedHeaders, ...own, ...signed?.loggedHeaders, ...token?.loggedHeaders },
        secrets: isPlain ? endpoint.secrets : [...endpoint.secrets, ...(signed?.signatures ?? []), ...(token?.secrets ?? [])],
      },
    };
  }

  private answered({ request }: AdmittedCall, { span, sent }: SentCall, exchange: Exchange): { outcome: CallOutcome; attempt: Attempt } {
    const { lane, metrics } = this.parts;
    const outcome = interpretExchange(request.kind, exchange, Date.now());
    const failure = outcome.kind === 'failed' ? outcome : null;
    metrics.exchanged(lane, exchange.durationMs, outcome);
    span.end({ attributes: { 'http.response.status_code': exchange.status ?? undefined }, error: failure?.reason ?? null });
    return { outcome, attempt: recordAttempt(request, sent, exchange, failure) };
  }
}
