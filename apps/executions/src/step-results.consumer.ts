import { Controller } from '@nestjs/common';
import { type StepResult, stepResults, uuid } from '@cf/contract';
import { type MessageContext, OnMessage } from '@cf/messaging';
import { Metrics } from '@cf/service-kit';
import { EXECUTIONS_GROUP } from './executions.group.js';
import { Recorder } from './recording/recorder.js';

@Controller()
export class RecordedStepResultsConsumer {
  private readonly unowned;

  constructor(
    private readonly recorder: Recorder,
    metrics: Metrics,
  ) {
    this.unowned = metrics.counter(
      'cf_executions_unowned_total',
      'Step results that name no organization, so that nobody could be shown their execution',
    );
  }

  @OnMessage(stepResults, EXECUTIONS_GROUP)
  async onStepResult(result: StepResult, { bytes, record }: MessageContext): Promise<void> {
    const { orgId } = result;
    if (orgId === null || !uuid.safeParse(orgId).success) {
      this.unowned.inc();
      return;
    }
    await this.recorder.record({ source: 'step', result, orgId, offset: record.offset }, bytes);
  }
}
