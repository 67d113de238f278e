import { Inject } from '@nestjs/common';
import { messageHeader, triggerInvocationRequests } from '@cf/contract';
import {
  type AssignedPartition,
  type Bulkhead,
  ConsumerGroup,
  type ConsumerGroupHooks,
  type ConsumerGroupLimits,
  type LogRecord,
  MESSAGE_LOG,
  type MessageLog,
  type TopicPartition,
} from '@cf/messaging';
import { answerInternal } from './internal-result.js';
import { InvocationResultsPublisher } from './invocation-results.publisher.js';
import { groupLimits, INVOKER_CONFIG, type InvokerConfig } from './invoker.config.js';
import { FunctionConcurrency } from './limits/function-concurrency.js';
import { OwnedPartitions } from './limits/owned-partitions.js';
import { SeenOffsets } from './once/seen-offsets.js';
import { sendingKeyOf } from './once/sending-key.js';

export const TRIGGER_GROUP = 'invoker.trigger';

/** Triggers: first attempts of one chat keep their order at each function, and what was called lately is known to a new owner. */
@ConsumerGroup(TRIGGER_GROUP)
export class TriggerLaneGroup implements ConsumerGroupHooks {
  readonly limits: ConsumerGroupLimits;

  constructor(
    @Inject(INVOKER_CONFIG) private readonly config: InvokerConfig,
    @Inject(MESSAGE_LOG) private readonly log: MessageLog,
    private readonly concurrency: FunctionConcurrency,
    private readonly owned: OwnedPartitions,
    private readonly seen: SeenOffsets,
    private readonly results: InvocationResultsPublisher,
  ) {
    this.limits = groupLimits(config, 'trigger');
  }

  /** The first of two copies counts, whichever is looked at first: of surplus that is the last. */
  delivered(record: LogRecord): void {
    const key = sendingKeyOf(record);
    if (key !== null) this.seen.isRepeated(record.partition, key, record.offset);
  }

  orderKey({ headers }: LogRecord): string | null {
    const chatId = headers[messageHeader.chatId];
    if (chatId === undefined || headers[messageHeader.seq] !== '0') return null;
    return `${headers[messageHeader.functionId] ?? ''}/${chatId}`;
  }

  bulkhead({ headers }: LogRecord): Bulkhead | null {
    const orgId = headers[messageHeader.orgId];
    const functionId = headers[messageHeader.functionId];
    if (orgId === undefined || functionId === undefined) return null;
    return { key: `${orgId}/${functionId}`, limit: this.concurrency.limitOf(orgId, functionId), tenant: orgId };
  }

  async assigned(partitions: readonly AssignedPartition[]): Promise<void> {
    const ends = await this.log.endOffsets(triggerInvocationRequests.name);
    for (const partition of partitions) await this.readBack(partition, ends[partition.partition] ?? 0);
    this.owned.add(partitions, ends.length);
  }

  lost(partitions: readonly TopicPartition[]): void {
    for (const { partition } of partitions) this.seen.forget(partition);
    this.owned.remove(partitions);
  }

  failed(record: LogRecord): Promise<boolean> {
    return answerInternal(record, this.results);
  }

  /**
   * Reads what was sent before. Also a little above the committed offset: there lie records that an earlier owner completed out of
   * order and that are not delivered again.
   */
  private async readBack({ topic, partition, committedOffset }: AssignedPartition, endOffset: number): Promise<void> {
    if (committedOffset === null) return;
    const { ms, records } = this.config.duplicateWindow;
    const above = this.limits.maxBufferedRecords;
    const behind = this.log.readBack({
      topic,
      partition,
      untilOffset: Math.min(endOffset, committedOffset + above),
      sinceMs: Date.now() - ms,
      recordsMax: records + above,
    });
    for await (const chunk of behind) {
      for (const record of chunk) this.delivered(record);
    }
  }
}
