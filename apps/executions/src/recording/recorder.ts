import { Inject, Injectable } from '@nestjs/common';
import { codeOf } from '@cf/persistence';
import { RegistryCache } from '@cf/registry-cache';
import { Health, LOGGER, Metrics } from '@cf/service-kit';
import type { Logger } from 'pino';
import type { EntityManager } from 'typeorm';
import { UNIQUE_VIOLATION } from '../database/copy-rows.js';
import { StatementRefused } from '../database/statement-refused.js';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import type { Execution } from '../execution.js';
import { HealthDeltas } from '../health/health-deltas.repository.js';
import { tallyRecording } from '../health/tally-recording.js';
import { withBranch } from '../test-invocations/judge-test.js';
import { BatchWriter } from './batch-writer.js';
import { type HeardResult, invocationIdOf } from './heard-result.js';
import { attemptRowsOf, planRecording } from './plan-recording.js';
import { chatHash, isErased, isExpired, orgOf } from './unwanted-results.js';
import { RetentionPolicy } from '../retention/retention-policy.js';
import { ResultsRepository } from './results.repository.js';

/** A result is at most 2 MiB, its rows as JSON about as much again. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024;

/** Another process adds the same execution at the same moment at most once; a row that is still in the way the third time is none of that. */
const TRIES_MAX = 3;

/** `disk_full` of Postgres. */
const DISK_FULL = '53100';

/** The SQLSTATE behind an error, or the code of what kept Postgres from answering. */
const sqlStateOf = (error: unknown): string => {
  const { cause, code } = error as { cause?: unknown; code?: unknown };
  const behind = cause === undefined ? undefined : codeOf(cause);
  return behind ?? (typeof code === 'string' ? code : 'unknown');
};

interface Written {
  readonly recorded: readonly HeardResult[];
  /** Left out, since their chat was erased, or since they are older than what is kept. */
  readonly erased: number;
  readonly expired: number;
}

const isTaken = (error: unknown): boolean => error instanceof StatementRefused && error.code === UNIQUE_VIOLATION;

/**
 * Records results in batches. `record` resolves once the result and all that follows from it in the database is committed.
 * Results of one invocation take the same lane, so that two transactions of this process never add the same execution.
 */
@Injectable()
export class Recorder {
  private readonly lanes: readonly BatchWriter<HeardResult>[];
  private readonly recorded;
  private readonly left;
  private readonly refused;
  private refusal: string | null = null;
  private readonly batchSize;
  private readonly batchSeconds;

  constructor(
    private readonly repository: ResultsRepository,
    private readonly deltas: HealthDeltas,
    private readonly policy: RetentionPolicy,
    private readonly registry: RegistryCache,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    health: Health,
    metrics: Metrics,
  ) {
    const limits = { itemsMax: config.EXECUTIONS_BATCH_RESULTS_MAX, bytesMax: BATCH_BYTES_MAX, writesAtOnceMax: 1 };
    this.lanes = Array.from({ length: config.EXECUTIONS_TRANSACTIONS_MAX }, () => new BatchWriter((batch) => this.write(batch), limits));
    this.recorded = metrics.counter('cf_executions_recorded_total', 'Results recorded', ['source']);
    this.left = metrics.counter(
      'cf_executions_left_out_total',
      'Results not recorded: their chat was erased, or they are older than what is kept',
      ['reason'],
    );
    this.refused = metrics.counter(
      'cf_executions_batches_refused_total',
      'Recording transactions that Postgres did not take, by SQLSTATE',
      ['sqlState'],
    );
    health.register('executions-recorder', () => ({ ok: true, detail: this.refusal ?? 'recording' }));
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
    const { recorded, erased, expired } = await this.tryToWrite(batch);
    observe();
    this.batchSize.observe(batch.length);
    const steps = recorded.reduce((count, { source }) => (source === 'step' ? count + 1 : count), 0);
    this.recorded.inc({ source: 'step' }, steps);
    this.recorded.inc({ source: 'invocation' }, recorded.length - steps);
    this.left.inc({ reason: 'erased' }, erased);
    this.left.inc({ reason: 'expired' }, expired);
  }

  private async tryToWrite(batch: readonly HeardResult[]): Promise<Written> {
    for (let tries = 1; ; tries++) {
      try {
        const written = await this.repository.transaction((manager) => this.writeIn(manager, batch));
        this.refusal = null;
        return written;
      } catch (error) {
        if (isTaken(error) && tries < TRIES_MAX) continue;
        this.refuse(error);
        throw error;
      }
    }
  }

  /** No step result tells the branch of a test. */
  private readonly judged = (row: Execution): Execution =>
    row.test ? withBranch(row, this.registry.cloudFunction(row.orgId, row.cloudFunctionId ?? '')?.branchOptions ?? []) : row;

  private refuse(error: unknown): void {
    const sqlState = sqlStateOf(error);
    this.refused.inc({ sqlState });
    if (sqlState === DISK_FULL && this.refusal === null)
      this.logger.error({ sqlState }, 'the disk of Postgres is full: results wait in the log until there is room');
    this.refusal = sqlState === DISK_FULL ? 'the disk of Postgres is full' : `Postgres refused a batch: ${sqlState}`;
  }

  private async writeIn(manager: EntityManager, heard: readonly HeardResult[]): Promise<Written> {
    const hashes = new Map(heard.map((one) => [one, chatHash(one)]));
    const erasedAt = await this.repository.erasedChats(
      manager,
      [...new Set(hashes.values())].filter((hash) => hash !== null),
    );
    const kept = heard.filter((one) => !isErased(one, hashes.get(one) ?? null, erasedAt));
    const known = await this.repository.lockExecutions(manager, [...new Set(kept.map(invocationIdOf))]);
    const batch = kept.filter((one) => !isExpired(one, known.has(invocationIdOf(one)), this.policy.cutoffOf(orgOf(one))));
    const attempts = attemptRowsOf(batch);
    const recorded = await this.repository.knownAttempts(
      manager,
      attempts.filter(({ invocationId }) => known.has(invocationId)),
    );
    const newAttempts = attempts.filter(({ attemptId }) => !recorded.has(attemptId));
    const plan = planRecording(batch, known, newAttempts);
    await this.repository.insertExecutions(manager, plan.added.map(this.judged));
    await this.repository.insertAttempts(manager, newAttempts);
    await this.repository.insertRequests(manager, plan.requests);
    await this.repository.updateExecutions(manager, plan.changed.map(this.judged));
    await this.repository.saveRequests(manager, plan.changedRequests);
    await this.repository.schedule(manager, plan.due);
    await this.repository.unschedule(manager, plan.notDue);
    await this.repository.hastenFunctions(manager, plan.healthyFunctions, this.config.EXECUTIONS_RELEASE_MAX);
    await this.repository.holdFunctions(manager, plan.heldFunctions, this.config.EXECUTIONS_RELEASE_FIRST);
    await this.deltas.append(manager, tallyRecording(batch, known, plan, newAttempts, Date.now()));
    return { recorded: batch, erased: heard.length - kept.length, expired: kept.length - batch.length };
  }
}
