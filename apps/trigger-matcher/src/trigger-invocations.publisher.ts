import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { triggerInvocationRequests, triggerInvocationResults, type InvocationRequest, type InvocationResult } from '@cf/contract';
import { MESSAGE_LOG, MessagePublisher, type MessageLog } from '@cf/messaging';

/** Both resolve when the message is acknowledged. */
@Injectable()
export class TriggerInvocationsPublisher implements OnApplicationShutdown {
  private readonly publisher: MessagePublisher;

  constructor(@Inject(MESSAGE_LOG) log: MessageLog) {
    this.publisher = new MessagePublisher(log.createPublisher('trigger-matcher', 'trigger'));
  }

  request(request: InvocationRequest, traceparent: string): Promise<void> {
    return this.publisher.publish(triggerInvocationRequests, request, { traceparent });
  }

  suppressed(result: InvocationResult, traceparent: string): Promise<void> {
    return this.publisher.publish(triggerInvocationResults, result, { traceparent });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.publisher.close();
  }
}
