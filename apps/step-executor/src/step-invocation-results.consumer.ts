import { Controller } from '@nestjs/common';
import { stepInvocationResults, type InvocationResult } from '@cf/contract';
import { OnMessage, type MessageContext } from '@cf/messaging';
import { PendingSteps } from './pending-steps.js';
import { STEP_EXECUTOR_GROUP } from './step-executor.group.js';

@Controller()
export class StepInvocationResultsConsumer {
  constructor(private readonly steps: PendingSteps) {}

  @OnMessage(stepInvocationResults, STEP_EXECUTOR_GROUP)
  onInvocationResult(result: InvocationResult, { record }: MessageContext): Promise<void> {
    return this.steps.settle(result, record.partition);
  }
}
