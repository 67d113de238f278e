import { Inject, Injectable } from '@nestjs/common';
import { Metrics } from '@cf/service-kit';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import { BatchWriter } from './batch-writer.js';
import { type HeardResult, invocationIdOf } from './heard-result.js';
import { attemptRowsOf, planRecording } from './plan-recording.js';
import { ResultsRepository } from './results.repository.js';

/** A result is at most 2 MiB, its rows as JSON about as much again. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024;

/** Another transaction inserted a row that this one had found missing: reading again finds it. */
class ExecutionAppeared extends Error {
  readonly retryable = true;
}

/** Records results in batches. `record` resolves once the result and all that follows from it in the database is committed. */
@Injectable()
export class Recorder {
  private readonly results: BatchWriter<HeardResult>;
  private readonly recorded;
  private readonly batchSize;
  private readonly batchSeconds;

  constructor(
    private readonly repository: ResultsRepository,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
    metrics: Metrics,
  ) {
    this.results = new BatchWriter((batch) => this.write(batch), {
      itemsMax: config.EXECUTIONS_BATCH_RESULTS_MAX,
      bytesMax: BATCH_BYTES_MAX,
      writesAtOnceMax: config.EXECUTIONS_TRANSACTIONS_MAX,
    });
    this.recorded = metrics.counter('cf_executions_recorded_total', 'Results recorded', ['source']);
    this.batchSize = metrics.histogram(
      'cf_executions_batch_results',
      'Results in one recording transaction',
      [],
      [1, 5, 20, 50, 100, 200, 500, 1_000],
    );
    this.batchSeconds = metrics.histogram('cf_executions_batch_seconds', 'Time of one recording transaction');
  }

  record(heard: HeardResult, bytes: number): Promise<void> {
    return this.results.add(heard, bytes);
  }

  private async write(batch: readonly HeardResult[]): Promise<void> {
    const observe = this.batchSeconds.startTimer();
    await this.repository.transaction(async (manager) => {
      const ids = [...new Set(batch.map(invocationIdOf))];
      const known = await this.repository.lockExecutions(manager, ids);
      const newAttempts = await this.repository.insertAttempts(manager, attemptRowsOf(batch));
      const plan = planRecording(batch, known, newAttempts);
      if ((await this.repository.insertExecutions(manager, plan.added)) < plan.added.length) throw new ExecutionAppeared();
      await this.repository.updateExecutions(manager, plan.changed);
      await this.repository.saveRequests(manager, plan.requests);
      await this.repository.schedule(manager, plan.due);
      await this.repository.unschedule(manager, plan.notDue);
      await this.repository.hastenFunctions(manager, plan.healthyFunctions, this.config.EXECUTIONS_RELEASE_MAX);
      await this.repository.holdFunctions(manager, plan.heldFunctions, this.config.EXECUTIONS_RELEASE_FIRST);
    });
    observe();
    this.batchSize.observe(batch.length);
    for (const { source } of batch) this.recorded.inc({ source });
  }
}
