import { Controller } from '@nestjs/common';
import { stepRequests, type StepRequest } from '@cf/contract';
import { OnMessage, type MessageContext } from '@cf/messaging';
import { arrivalOf } from './arrival.js';
import { PendingSteps } from './pending-steps.js';
import { STEP_EXECUTOR_GROUP } from './step-executor.group.js';

@Controller()
export class StepRequestsConsumer {
  constructor(private readonly steps: PendingSteps) {}

  @OnMessage(stepRequests, STEP_EXECUTOR_GROUP)
  onStepRequest(request: StepRequest, { record, traceparent }: MessageContext): Promise<void> {
    return this.steps.accept(request, arrivalOf(record, traceparent));
  }
}
