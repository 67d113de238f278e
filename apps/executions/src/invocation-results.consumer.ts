import { Controller } from '@nestjs/common';
import { type InvocationResult, stepInvocationResults, triggerInvocationResults } from '@cf/contract';
import { type MessageContext, OnMessage } from '@cf/messaging';
import { EXECUTIONS_GROUP } from './executions.group.js';
import { Recorder } from './recording/recorder.js';

@Controller()
export class RecordedInvocationResultsConsumer {
  constructor(private readonly recorder: Recorder) {}

  @OnMessage(stepInvocationResults, EXECUTIONS_GROUP)
  onStepInvocationResult(result: InvocationResult, { bytes }: MessageContext): Promise<void> {
    return this.recorder.record({ source: 'invocation', result }, bytes);
  }

  @OnMessage(triggerInvocationResults, EXECUTIONS_GROUP)
  onTriggerInvocationResult(result: InvocationResult, { bytes }: MessageContext): Promise<void> {
    return this.recorder.record({ source: 'invocation', result }, bytes);
  }
}
