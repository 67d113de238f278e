import { Injectable } from '@nestjs/common';
import type { CircuitState, Lane } from '@cf/contract';
import { Metrics } from '@cf/service-kit';
import type { CallOutcome, Decision } from './decide-next.js';
import type { CustomerHttp } from './http/customer-http.js';
import { AskedPauses } from './limits/asked-pauses.js';
import type { CircuitBreakers } from './limits/circuit-breakers.js';
import type { FunctionConcurrency } from './limits/function-concurrency.js';

const CALL_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30];

interface LaneParts {
  readonly http: CustomerHttp;
  readonly breakers: CircuitBreakers;
  readonly concurrency: FunctionConcurrency;
}

/** Nothing here is labelled by organization or function: their number has no bound. */
@Injectable()
export class InvokerMetrics {
  private readonly lanes: ({ lane: Lane } & LaneParts)[] = [];
  private readonly invocations;
  private readonly calls;
  private readonly durations;
  private readonly inFlight: Record<Lane, number> = { step: 0, trigger: 0 };
  private readonly repetitions;
  private readonly circuitChanges;

  constructor(metrics: Metrics, pauses: AskedPauses) {
    this.invocations = metrics.counter('cf_invocations_total', 'Sendings of invocation requests by how they ended', [
      'lane',
      'disposition',
      'reason',
    ]);
    this.calls = metrics.counter('cf_calls_total', 'HTTP exchanges with customer endpoints by outcome', ['lane', 'outcome']);
    this.durations = metrics.histogram(
      'cf_call_duration_seconds',
      'Time of an HTTP exchange from start to whole answer',
      ['lane'],
      CALL_SECONDS,
    );
    metrics.gauge('cf_calls_in_flight', 'HTTP exchanges under way', ['lane'], (gauge) => {
      for (const { lane } of this.lanes) gauge.set({ lane }, this.inFlight[lane]);
    });
    this.repetitions = metrics.counter('cf_repeated_requests_total', 'Requests that had been sent before and were not called again', [
      'lane',
    ]);
    metrics.gauge(
      'cf_circuit_state',
      'Functions by the state of their circuit; those not called lately count nowhere',
      ['lane', 'state'],
      (gauge) => {
        for (const { lane, breakers } of this.lanes) {
          for (const [state, count] of Object.entries(breakers.countByState())) gauge.set({ lane, state }, count);
        }
      },
    );
    this.circuitChanges = metrics.counter('cf_circuit_changes_total', 'Circuits of functions that changed, by their new state', [
      'lane',
      'to',
    ]);
    metrics.gauge(
      'cf_slowed_functions',
      'Functions that may run fewer calls at once for now, since theirs timed out',
      ['lane'],
      (gauge) => {
        for (const { lane, concurrency } of this.lanes) gauge.set({ lane }, concurrency.slowed);
      },
    );
    metrics.gauge('cf_paused_functions', 'Functions whose triggers wait because their endpoint sent Retry-After', [], (gauge) => {
      gauge.set(pauses.count(Date.now()));
    });
    metrics.gauge('cf_http_pools', 'Connection pools, one for each organization and origin called lately', ['lane'], (gauge) => {
      for (const { lane, http } of this.lanes) gauge.set({ lane }, http.poolCount);
    });
  }

  observe(lane: Lane, parts: LaneParts): void {
    this.lanes.push({ lane, ...parts });
  }

  circuitChanged(lane: Lane, to: CircuitState): void {
    this.circuitChanges.inc({ lane, to });
  }

  started(lane: Lane): void {
    this.inFlight[lane]++;
  }

  exchanged(lane: Lane, durationMs: number, outcome: CallOutcome): void {
    this.inFlight[lane]--;
    this.durations.observe({ lane }, durationMs / 1_000);
    this.calls.inc({ lane, outcome: outcome.kind === 'failed' ? outcome.reason : 'succeeded' });
  }

  ended(lane: Lane, { disposition, failureReason, deferReason }: Decision): void {
    this.invocations.inc({ lane, disposition, reason: failureReason ?? deferReason ?? 'none' });
  }

  repeated(lane: Lane): void {
    this.repetitions.inc({ lane });
  }
}
