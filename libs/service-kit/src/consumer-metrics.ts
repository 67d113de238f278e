import type { ConsumerStats } from '@cf/messaging';
import type { Metrics } from './metrics.js';

/** Gauges of every consumer group, read when scraped. */
export const observeConsumers = (metrics: Metrics, stats: () => readonly ConsumerStats[]): void => {
  const gauge = (name: string, help: string, read: (group: ConsumerStats) => number): void => {
    metrics.gauge(name, help, ['group'], (metric) => {
      for (const group of stats()) metric.set({ group: group.group }, read(group));
    });
  };
  gauge('cf_consumer_queued_records', 'Records fetched and not begun', (group) => group.queued);
  gauge('cf_consumer_queued_bytes', 'Bytes of records fetched and not completed', (group) => group.bytes);
  gauge('cf_consumer_oldest_age_seconds', 'Age of the oldest record that is not completed', (group) => group.oldestAgeMs / 1_000);
  gauge('cf_consumer_in_flight', 'Handlers that run', (group) => group.inFlight);
  gauge('cf_consumer_commit_lag_records', 'Records completed or in work above the committed offsets', (group) => group.commitLag);
  gauge('cf_consumer_duplicates_dropped', 'Records that were delivered again and dropped', (group) => group.duplicatesDropped);
};
