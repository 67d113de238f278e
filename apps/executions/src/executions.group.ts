import { ConsumerGroup, type ConsumerGroupHooks } from '@cf/messaging';

export const EXECUTIONS_GROUP = 'executions';

/** The order of results does not matter (see `fold-result.ts`), so there is no order key and batches grow with what is in flight. */
@ConsumerGroup(EXECUTIONS_GROUP)
export class ExecutionsGroup implements ConsumerGroupHooks {
  readonly limits = {
    // Five full batches: three being written, two being collected.
    maxInFlight: 5_000,
    maxBufferedRecords: 10_000,
    // Records can be 2 MiB; a batch takes 8 MiB.
    maxBufferedBytes: 64 * 1024 * 1024,
    // A recording transaction takes well under a second; what is cut off is recorded again elsewhere.
    drainTimeoutMs: 10_000,
    onRevoke: 'drain',
    onOffsetOutOfRange: 'earliest',
  } as const;
}
