import { Inject } from '@nestjs/common';
import { messageHeader, stepInvocationRequests } from '@cf/contract';
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

export const STEP_GROUP = 'invoker.step';

/** Of one function, as many steps wait for a slot in their handlers (where the wait ends in time) as are called. */
const WAITING_PER_CALL = 1;

/** Steps: unordered, and a running call is never given to another worker (guarantees.md §3). */
@ConsumerGroup(STEP_GROUP)
export class StepLaneGroup implements ConsumerGroupHooks {
  readonly limits: ConsumerGroupLimits;

  constructor(
    @Inject(INVOKER_CONFIG) config: InvokerConfig,
    @Inject(MESSAGE_LOG) private readonly log: MessageLog,
    private readonly concurrency: FunctionConcurrency,
    private readonly owned: OwnedPartitions,
    private readonly results: InvocationResultsPublisher,
  ) {
    this.limits = groupLimits(config, 'step');
  }

  bulkhead({ headers }: LogRecord): Bulkhead | null {
    const orgId = headers[messageHeader.orgId];
    const functionId = headers[messageHeader.functionId];
    if (orgId === undefined || functionId === undefined) return null;
    return { key: `${orgId}/${functionId}`, limit: this.concurrency.limitOf(orgId, functionId) * (1 + WAITING_PER_CALL), tenant: orgId };
  }

  async assigned(partitions: readonly AssignedPartition[]): Promise<void> {
    this.owned.add(partitions, await this.log.partitionCount(stepInvocationRequests.name));
  }

  lost(partitions: readonly TopicPartition[]): void {
    this.owned.remove(partitions);
  }

  failed(record: LogRecord): Promise<boolean> {
    return answerInternal(record, this.results);
  }
}
