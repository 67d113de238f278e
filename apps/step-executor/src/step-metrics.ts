import { Injectable } from '@nestjs/common';
import type { StepResult } from '@cf/contract';
import { Metrics } from '@cf/service-kit';

@Injectable()
export class StepMetrics {
  private readonly results;
  private readonly durations;
  private readonly repeats;
  private readonly lateResults;

  constructor(private readonly metrics: Metrics) {
    this.results = metrics.counter('cf_step_results_total', 'Step results by how they ended', [
      'outcome',
      'branch_reason',
      'failure_reason',
    ]);
    // From the floor of four hops to the minute that no step outlives.
    this.durations = metrics.histogram(
      'cf_step_duration_seconds',
      'From the broker time of a step request to its answer',
      ['outcome'],
      [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60],
    );
    this.repeats = metrics.counter('cf_step_repeats_total', 'Step requests that were there before', ['how']);
    this.lateResults = metrics.counter('cf_step_late_results_total', 'Invocation results of steps that were answered already');
  }

  answered({ outcome, branchReason, failureReason, durationMs }: StepResult): void {
    this.results.inc({ outcome, branch_reason: branchReason, failure_reason: failureReason ?? '' });
    this.durations.observe({ outcome }, durationMs / 1_000);
  }

  repeated(how: 'answered' | 'attached'): void {
    this.repeats.inc({ how });
  }

  droppedLate(): void {
    this.lateResults.inc();
  }

  observe(size: () => { pending: number; answers: number; answersBytes: number }): void {
    this.metrics.gauge('cf_step_pending', 'Steps that wait for their result', [], (gauge) => gauge.set(size().pending));
    this.metrics.gauge('cf_step_answers', 'Recent results kept for repeats', [], (gauge) => gauge.set(size().answers));
    this.metrics.gauge('cf_step_answers_bytes', 'Their size', [], (gauge) => gauge.set(size().answersBytes));
  }
}
