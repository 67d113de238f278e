import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { stepInvocationRequests, stepInvocationResults, stepRequests, stepResults } from '@cf/contract';
import { MESSAGE_LOG, type MessageLog } from '@cf/messaging';

/** An answer lies on the partition number of its request, so the four topics of a step must have the same number of partitions. */
@Injectable()
export class StepTopicsCheck implements OnModuleInit {
  constructor(@Inject(MESSAGE_LOG) private readonly log: MessageLog) {}

  async onModuleInit(): Promise<void> {
    const topics = [stepRequests, stepInvocationRequests, stepInvocationResults, stepResults];
    const counts = await Promise.all(topics.map(async ({ name }) => ({ name, partitions: await this.log.partitionCount(name) })));
    if (new Set(counts.map(({ partitions }) => partitions)).size === 1) return;
    const found = counts.map(({ name, partitions }) => `${name} has ${partitions}`).join(', ');
    throw new Error(`the topics of a step need the same number of partitions: ${found}`);
  }
}
