import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { stepInvocationRequests, type InvocationRequest } from '@cf/contract';
import { MESSAGE_LOG, MessagePublisher, type MessageLog } from '@cf/messaging';
import type { StepPlace } from './pending-steps.js';

@Injectable()
export class StepInvocationRequestsPublisher implements OnApplicationShutdown {
  private readonly publisher: MessagePublisher;

  constructor(@Inject(MESSAGE_LOG) log: MessageLog) {
    this.publisher = new MessagePublisher(log.createPublisher('step-executor.requests', 'step'));
  }

  /** On the partition number of the step request, so that the result comes back to whoever owns that request. */
  publish(request: InvocationRequest, { partition, traceparent }: StepPlace): Promise<void> {
    return this.publisher.publish(stepInvocationRequests, request, { partition, traceparent });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.publisher.close();
  }
}
