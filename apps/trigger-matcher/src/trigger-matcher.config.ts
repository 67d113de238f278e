import { DUPLICATE_WINDOW } from '@cf/contract';
import { readConfig, whole } from '@cf/service-kit';
import { z } from 'zod';

export const TRIGGER_MATCHER_CONFIG = Symbol('TRIGGER_MATCHER_CONFIG');

/** Settings of the trigger matcher, with unit, default and consequence. The smaller of the two windows holds. */
export const triggerMatcherSchema = z.object({
  /** ms for which an event id that comes again is dropped here; it is read back at each assignment, so longer makes taking over slower. */
  MATCHER_DUPLICATE_WINDOW_MS: whole(0, 60 * 60_000).default(DUPLICATE_WINDOW.ms),
  /** Event ids remembered of one partition, about 200 bytes each: 20 MB of a partition that is that busy. */
  MATCHER_DUPLICATE_RECORDS_MAX: whole(0, 1_000_000).default(DUPLICATE_WINDOW.records),
  /** Events matched at once; each waits for the registry and for its requests to be acknowledged, so more fill larger batches. */
  MATCHER_EVENTS_IN_FLIGHT_MAX: whole(1, 100_000).default(2_000),
});
export type TriggerMatcherConfig = z.infer<typeof triggerMatcherSchema>;

export const readTriggerMatcherConfig = (): TriggerMatcherConfig => readConfig(triggerMatcherSchema);
