import { Inject } from '@nestjs/common';
import { deadLetters } from '@cf/contract';
import { ConsumerGroup, type ConsumerGroupHooks, type LogRecord, type UnreadableMessage } from '@cf/messaging';
import { LOGGER, Metrics } from '@cf/service-kit';
import type { Logger } from 'pino';

export const EXECUTIONS_GROUP = 'executions';

/** The order of results does not matter (see `fold-result.ts`), so there is no order key and batches grow with what is in flight. */
@ConsumerGroup(EXECUTIONS_GROUP)
export class ExecutionsGroup implements ConsumerGroupHooks {
  readonly limits = {
    // Four full batches: two being written, two being collected.
    maxInFlight: 2_000,
    maxBufferedRecords: 4_000,
    // Records can be 2 MiB; a batch takes 8 MiB.
    maxBufferedBytes: 64 * 1024 * 1024,
    // A recording transaction takes well under a second; what is cut off is recorded again elsewhere.
    drainTimeoutMs: 10_000,
    onRevoke: 'drain',
    onOffsetOutOfRange: 'earliest',
  } as const;
  private readonly unstored;

  constructor(
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.unstored = metrics.counter(
      'cf_executions_dead_letters_lost_total',
      'Dead letters that could not be stored; they stay in their topic for its retention',
    );
  }

  async unreadable(record: LogRecord, error: UnreadableMessage): Promise<boolean> {
    return this.endsHere(record, error);
  }

  async failed(record: LogRecord, error: unknown): Promise<boolean> {
    return this.endsHere(record, error);
  }

  /** A dead letter never makes another one: that would go round for ever. */
  private endsHere(record: LogRecord, error: unknown): boolean {
    if (record.topic !== deadLetters.name) return false;
    this.unstored.inc();
    this.logger.error({ err: error, partition: record.partition, offset: record.offset }, 'a dead letter cannot be stored');
    return true;
  }
}
