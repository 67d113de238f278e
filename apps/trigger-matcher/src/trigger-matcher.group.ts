import { Inject } from '@nestjs/common';
import { chatEvent, chatEvents } from '@cf/contract';
import {
  ConsumerGroup,
  MESSAGE_LOG,
  type AssignedPartition,
  type ConsumerGroupHooks,
  type LogRecord,
  type MessageLog,
  type TopicPartition,
} from '@cf/messaging';
import { Metrics } from '@cf/service-kit';
import { RecentEvents } from './recent-events.js';
import { TRIGGER_MATCHER_CONFIG, type TriggerMatcherConfig } from './trigger-matcher.config.js';

export const TRIGGER_MATCHER_GROUP = 'trigger-matcher';

/** Batches that wait while the ones before are matched; events are 0.3 KB as a rule and 256 KiB at most. */
const BUFFERED_BATCHES = 4;
const BUFFERED_BYTES_MAX = 64 * 1024 * 1024;
/** Matching takes milliseconds; a log that does not answer within this is away, and the events are matched by the next owner. */
const DRAIN_MS = 10_000;

const parse = (value: Buffer | null): unknown => {
  try {
    return JSON.parse(value?.toString('utf8') ?? '');
  } catch {
    return undefined;
  }
};

@ConsumerGroup(TRIGGER_MATCHER_GROUP)
export class TriggerMatcherGroup implements ConsumerGroupHooks {
  readonly limits;
  private readonly recent = new Map<number, RecentEvents>();

  constructor(
    @Inject(TRIGGER_MATCHER_CONFIG) private readonly config: TriggerMatcherConfig,
    @Inject(MESSAGE_LOG) private readonly log: MessageLog,
    metrics: Metrics,
  ) {
    const maxInFlight = config.MATCHER_EVENTS_IN_FLIGHT_MAX;
    this.limits = {
      maxInFlight,
      maxBufferedRecords: maxInFlight * BUFFERED_BATCHES,
      maxBufferedBytes: BUFFERED_BYTES_MAX,
      onRevoke: 'drain' as const,
      drainTimeoutMs: DRAIN_MS,
      // Events that were matched once must not come as calls a second time because an offset is gone (guarantees.md §10).
      onOffsetOutOfRange: 'stop' as const,
    };
    metrics.gauge('cf_matcher_recent_events', 'Event ids remembered to drop repeats', [], (gauge) =>
      gauge.set([...this.recent.values()].reduce((sum, { size }) => sum + size, 0)),
    );
  }

  orderKey({ key }: LogRecord): string | null {
    return key?.toString('latin1') ?? null;
  }

  async assigned(partitions: readonly AssignedPartition[]): Promise<void> {
    await Promise.all(partitions.map((assigned) => this.readBack(assigned)));
  }

  lost(partitions: readonly TopicPartition[]): void {
    for (const { partition } of partitions) this.recent.delete(partition);
  }

  recentEvents(partition: number): RecentEvents {
    const known = this.recent.get(partition);
    if (known !== undefined) return known;
    const { MATCHER_DUPLICATE_WINDOW_MS: windowMs, MATCHER_DUPLICATE_RECORDS_MAX: recordsMax } = this.config;
    const recent = new RecentEvents({ windowMs, recordsMax });
    this.recent.set(partition, recent);
    return recent;
  }

  /**
   * Learns the ids below the committed offset, and as many above it as an earlier owner may have completed there: those are not
   * delivered again, and a repeat of them must be known. One that is delivered is seen at its own offset, so it is not dropped.
   */
  private async readBack({ partition, committedOffset }: AssignedPartition): Promise<void> {
    const { MATCHER_DUPLICATE_WINDOW_MS: windowMs, MATCHER_DUPLICATE_RECORDS_MAX: recordsMax } = this.config;
    this.recent.delete(partition);
    if (committedOffset === null || recordsMax === 0) return;
    const recent = this.recentEvents(partition);
    const untilOffset = committedOffset + this.limits.maxBufferedRecords;
    const chunks = this.log.readBack({ topic: chatEvents.name, partition, untilOffset, sinceMs: Date.now() - windowMs, recordsMax });
    for await (const records of chunks) {
      for (const { value, offset, timestampMs } of records) {
        const { data: event } = chatEvent.pick({ id: true, orgId: true }).safeParse(parse(value));
        if (event !== undefined) recent.isRepeat(event, offset, timestampMs);
      }
    }
  }
}
