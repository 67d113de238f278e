import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { stepResults, type StepResult } from '@cf/contract';
import { MESSAGE_LOG, MessagePublisher, type MessageLog } from '@cf/messaging';
import type { StepPlace } from './pending-steps.js';

@Injectable()
export class StepResultsPublisher implements OnApplicationShutdown {
  private readonly publisher: MessagePublisher;

  constructor(@Inject(MESSAGE_LOG) log: MessageLog) {
    this.publisher = new MessagePublisher(log.createPublisher('step-executor.results', 'step'));
  }

  /** `text` is the result as it was first written. It lies on the partition number of its request, whatever its key would say. */
  publish(result: StepResult, text: string, { partition, traceparent }: StepPlace): Promise<void> {
    return this.publisher.publish(stepResults, result, { partition, traceparent, text });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.publisher.close();
  }
}
