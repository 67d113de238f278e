import { Inject, Injectable } from '@nestjs/common';
import { Metrics } from '@cf/service-kit';
import type { EntityManager } from 'typeorm';
import { UNIQUE_VIOLATION } from '../database/copy-rows.js';
import { StatementRefused } from '../database/statement-refused.js';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import { HealthDeltas } from '../health/health-deltas.repository.js';
import { tallyRecording } from '../health/tally-recording.js';
import { BatchWriter } from './batch-writer.js';
import { type HeardResult, invocationIdOf } from './heard-result.js';
import { attemptRowsOf, planRecording } from './plan-recording.js';
import { ResultsRepository } from './results.repository.js';

/** A result is at most 2 MiB, its rows as JSON about as much again. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024;

/** Another process adds the same execution at the same moment at most once; a row that is still in the way the third time is none of that. */
const TRIES_MAX = 3;

const isTaken = (error: unknown): boolean => error instanceof StatementRefused && error.code === UNIQUE_VIOLATION;

/**
 * Records results in batches. `record` resolves once the result and all that follows from it in the database is committed.
 * Results of one invocation take the same lane, so that two transactions of this process never add the same execution.
 */
@Injectable()
export class Recorder {
  private readonly lanes: readonly BatchWriter<HeardResult>[];
  private readonly recorded;
  private readonly batchSize;
  private readonly batchSeconds;

  constructor(
    private readonly repository: ResultsRepository,
    private readonly health: HealthDeltas,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
    metrics: Metrics,
  ) {
    const limits = { itemsMax: config.EXECUTIONS_BATCH_RESULTS_MAX, bytesMax: BATCH_BYTES_MAX, writesAtOnceMax: 1 };
    this.lanes = Array.from({ length: config.EXECUTIONS_TRANSACTIONS_MAX }, () => new BatchWriter((batch) => this.write(batch), limits));
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
    const lane = parseInt(invocationIdOf(heard).slice(-6), 16) % this.lanes.length;
    return this.lanes[lane]!.add(heard, bytes);
  }

  private async write(batch: readonly HeardResult[]): Promise<void> {
    const observe = this.batchSeconds.startTimer();
    for (let tries = 1; ; tries++) {
      try {
        await this.repository.transaction((manager) => this.writeIn(manager, batch));
        break;
      } catch (error) {
        if (!isTaken(error) || tries === TRIES_MAX) throw error;
      }
    }
    observe();
    this.batchSize.observe(batch.length);
    for (const { source } of batch) this.recorded.inc({ source });
  }

  private async writeIn(manager: EntityManager, batch: readonly HeardResult[]): Promise<void> {
    const known = await this.repository.lockExecutions(manager, [...new Set(batch.map(invocationIdOf))]);
    const attempts = attemptRowsOf(batch);
    const recorded = await this.repository.knownAttempts(
      manager,
      attempts.filter(({ invocationId }) => known.has(invocationId)),
    );
    const newAttempts = attempts.filter(({ attemptId }) => !recorded.has(attemptId));
    const plan = planRecording(batch, known, newAttempts);
    await this.repository.insertExecutions(manager, plan.added);
    await this.repository.insertAttempts(manager, newAttempts);
    await this.repository.insertRequests(manager, plan.requests);
    await this.repository.updateExecutions(manager, plan.changed);
    await this.repository.saveRequests(manager, plan.changedRequests);
    await this.repository.schedule(manager, plan.due);
    await this.repository.unschedule(manager, plan.notDue);
    await this.repository.hastenFunctions(manager, plan.healthyFunctions, this.config.EXECUTIONS_RELEASE_MAX);
    await this.repository.holdFunctions(manager, plan.heldFunctions, this.config.EXECUTIONS_RELEASE_FIRST);
    await this.health.append(manager, tallyRecording(batch, known, plan, newAttempts, Date.now()));
  }
}
