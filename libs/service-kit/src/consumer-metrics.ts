import { messageHeader, traceIdOf } from '@cf/contract';
import type { ConsumerObserver, ConsumerStats, LogRecord } from '@cf/messaging';
import type { Logger } from 'pino';
import type { Metrics } from './metrics.js';

/** Gauges of every consumer group, read when scraped. */
export const gaugeConsumers = (metrics: Metrics, stats: () => readonly ConsumerStats[]): void => {
  const gauge = (name: string, help: string, read: (group: ConsumerStats) => number): void => {
    metrics.gauge(name, help, ['group'], (metric) => {
      for (const group of stats()) metric.set({ group: group.group }, read(group));
    });
  };
  gauge('cf_consumer_queued_records', 'Records delivered and not begun', (group) => group.queued);
  gauge('cf_consumer_buffered_bytes', 'Bytes of records delivered and not completed', (group) => group.bytes);
  gauge('cf_consumer_oldest_age_seconds', 'Age of the oldest record that is not completed', (group) => group.oldestAgeMs / 1_000);
  gauge('cf_consumer_in_flight', 'Handlers that hold a slot', (group) => group.inFlight);
  gauge('cf_consumer_unacknowledged', 'Handlers whose slot is free again and whose results are not acknowledged', (group) => group.yielded);
  gauge(
    'cf_consumer_held_partitions',
    'Partitions whose fetching is stopped because the window or the commit metadata is full',
    (group) => group.heldPartitions,
  );
  gauge('cf_consumer_held_seconds', 'Time in which fetching of any partition was stopped, in all', (group) => group.heldMs / 1_000);
  gauge('cf_consumer_surplus_records', 'Records beyond what their bulkhead may hold that are being let go', (group) => group.surplus);
  gauge('cf_consumer_commit_lag_records', 'Records delivered from the committed offset on, done ones included', (group) => group.commitLag);
  gauge(
    'cf_consumer_duplicates_dropped',
    'Records delivered again, or completed by an earlier owner, in all',
    (group) => group.duplicatesDropped,
  );
  gauge('cf_consumer_rebalances', 'Times that ownership of partitions was settled, in all', (group) => group.rebalances);
  metrics.gauge('cf_consumer_in_flight_busiest', 'Slots that the busiest bulkheads hold, by rank', ['group', 'rank'], (metric) => {
    for (const { group, inFlightByBulkhead } of stats()) {
      const busiest = Object.values(inFlightByBulkhead).sort((one, other) => other - one);
      for (let rank = 1; rank <= RANKS; rank++) metric.set({ group, rank: String(rank) }, busiest[rank - 1] ?? 0);
    }
  });
};

/** Ranks and not names: there are as many functions as customers make, and a series for each would be kept for ever. */
const RANKS = 3;

const placeOf = ({ topic, partition, offset, headers }: LogRecord): object => ({
  topic,
  partition,
  offset,
  invocationId: headers[messageHeader.invocationId],
  traceId: traceIdOf(headers[messageHeader.traceparent]),
});

/** Counts and logs what goes wrong in consumer groups; payloads stay out of the log. */
export const observeConsumers = (metrics: Metrics, logger: Logger): ConsumerObserver => {
  const retries = metrics.counter('cf_consumer_retries_total', 'Handlers that failed and are tried again in place', ['group']);
  const surplus = metrics.counter('cf_consumer_surplus_total', 'Records that were beyond what their bulkhead may hold', ['group']);
  const letters = metrics.counter('cf_dead_letters_total', 'Records that became dead letters', ['group', 'reason']);
  const preparations = metrics.counter(
    'cf_consumer_preparation_failures_total',
    'Preparations of newly owned partitions that failed and are tried again',
    ['group'],
  );
  const rejoins = metrics.counter('cf_consumer_rejoins_total', 'Times a group fell out and joined anew', ['group']);
  return {
    surplus: (group) => surplus.inc({ group }),
    retrying: (group, record, error, delayMs) => {
      retries.inc({ group });
      logger.debug({ group, ...placeOf(record), err: error, delayMs }, 'tried again');
    },
    unprocessable: (group, record, error) => logger.error({ group, ...placeOf(record), err: error }, 'a record cannot be handled'),
    deadLettered: (group, record, reason) => {
      letters.inc({ group, reason });
      logger.warn({ group, ...placeOf(record), reason }, 'dead letter');
    },
    preparationFailed: (group, error) => {
      preparations.inc({ group });
      logger.warn({ group, err: error }, 'new partitions are not prepared; they wait, and it is tried again');
    },
    commitFailed: (group, error) => logger.warn({ group, err: error }, 'offsets were not committed; they are tried again'),
    rejoining: (group, error) => {
      rejoins.inc({ group });
      logger.warn({ group, err: error }, 'the group is joined anew');
    },
  };
};
