import { readConfig, whole } from '@cf/service-kit';
import { z } from 'zod';

export const EXECUTIONS_CONFIG = Symbol('EXECUTIONS_CONFIG');

const schema = z.object({
  /** Connections to Postgres: two for recording, one for the claimer, the rest for people who ask. */
  EXECUTIONS_CONNECTIONS_MAX: whole(4, 100).default(10),
  /** Results in one transaction; 1,000 is where the cost of a row stops falling. */
  EXECUTIONS_BATCH_RESULTS_MAX: whole(1, 5_000).default(1_000),
  /**
   * Recording transactions at once: while one waits for the disk, the others keep two cores busy; three record a tenth more than two. What is in
   * flight is shared among them, so that more have smaller batches.
   */
  EXECUTIONS_TRANSACTIONS_MAX: whole(1, 8).default(3),
  /** ms between looks at the due table: a retry is at most this late. */
  EXECUTIONS_CLAIM_EVERY_MS: whole(10, 60_000).default(250),
  /** Due rows claimed at once, by priority. Each brings its request, up to 256 KiB. */
  EXECUTIONS_CLAIM_MAX: whole(1, 5_000).default(200),
  /** ms after which a claim that was not marked as published may be claimed by another process. */
  EXECUTIONS_CLAIM_LEASE_MS: whole(1_000, 600_000).default(30_000),
  /** ms between releases of invocations that wait for an open breaker, per function. */
  EXECUTIONS_RELEASE_EVERY_MS: whole(10, 600_000).default(1_000),
  /** Invocations in the first release of such a function; doubled after successes. */
  EXECUTIONS_RELEASE_FIRST: whole(1, 1_000).default(2),
  /** Most invocations in one release of a function, above which a pace protects nobody. */
  EXECUTIONS_RELEASE_MAX: whole(1, 10_000).default(1_000),
  /** Invocations a second that all replays together bring into the due table; more would crowd out first attempts in the invokers. */
  EXECUTIONS_REPLAY_RATE: whole(1, 100_000).default(200),
  /** Replays of one organization that may be open at once, paused ones too; one more is a 429. They take turns at the organization's share. */
  EXECUTIONS_REPLAYS_PER_ORGANIZATION_MAX: whole(1, 10_000).default(20),
  /** Erasures that one organization may begin in a minute in one process, one after another; more is a 429. Each keeps recorders out for a moment. */
  EXECUTIONS_ERASURES_PER_MINUTE: whole(1, 10_000).default(60),
  /** Days for which partitions exist ahead of time: an absence of whoever watches the alarm. */
  EXECUTIONS_PARTITION_DAYS_AHEAD: whole(1, 60).default(7),
  /** ms between looks at the partitions: they lie days ahead, so an hour is often enough, and a failure is tried again soon. */
  EXECUTIONS_PARTITION_LOOK_EVERY_MS: whole(100, 86_400_000).default(3_600_000),
  /** ms between turns of retention: an execution is kept at most this much longer than its organization says. */
  EXECUTIONS_RETENTION_EVERY_MS: whole(100, 86_400_000).default(3_600_000),
  /** Rows that one page of a list, or one turn of a replay, looks at; beyond them it ends early and goes on from there. 10,000 take some 20 ms. */
  EXECUTIONS_WALK_ROWS_MAX: whole(1, 1_000_000).default(10_000),
  /** ms that counting may take before it is refused as too broad. */
  EXECUTIONS_COUNT_TIMEOUT_MS: whole(100, 25_000).default(2_000),
  /** ms between folds of what recorders noted of functions' health: so late is a notification. A fold of 100 functions takes some 30 ms. */
  EXECUTIONS_HEALTH_FOLD_EVERY_MS: whole(10, 60_000).default(5_000),
  /** Live streams that one organization may have open in one process; one more is a 429. */
  EXECUTIONS_STREAMS_PER_ORGANIZATION_MAX: whole(1, 10_000).default(20),
  /** ms between looks for changes while somebody streams: a change is told at most this late. */
  EXECUTIONS_STREAM_LOOK_EVERY_MS: whole(10, 60_000).default(250),
  /** ms between signs of life on a stream; proxies close what is silent for a minute. */
  EXECUTIONS_STREAM_HEARTBEAT_MS: whole(50, 60_000).default(15_000),
  /** ms for which the reader of a stream may take nothing of what waits for it before it is cut off. */
  EXECUTIONS_STREAM_STUCK_MS: whole(100, 600_000).default(10_000),
  /** ms for which a reader may come back to where it was. What changed is noted for as long: 32 bytes a change. */
  EXECUTIONS_STREAM_RESUME_MS: whole(1_000, 86_400_000).default(600_000),
});

export type ExecutionsConfig = z.infer<typeof schema>;

export const readExecutionsConfig = (): ExecutionsConfig => readConfig(schema);
