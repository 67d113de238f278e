import { Inject, Injectable } from '@nestjs/common';
import {
  invocationResult,
  messageHeader,
  stepInvocationRequests,
  stepInvocationResults,
  stepResults,
  type InvocationResult,
} from '@cf/contract';
import { MESSAGE_LOG, type LogRecord, type MessageLog } from '@cf/messaging';
import { PendingSteps, STEP_TRAFFIC_MS, stepKey } from './pending-steps.js';
import { STEP_EXECUTOR_CONFIG, type StepExecutorConfig } from './step-executor.config.js';

const keyOf = ({ headers }: LogRecord): string | null => {
  const [orgId, requestId] = [headers[messageHeader.orgId], headers[messageHeader.requestId]];
  return orgId === undefined || requestId === undefined ? null : stepKey(orgId, requestId);
};

const readResult = (text: string): InvocationResult | undefined => {
  try {
    return invocationResult.parse(JSON.parse(text));
  } catch {
    // The group meets the same record and makes a dead letter of it.
    return undefined;
  }
};

/**
 * What earlier owners of a partition had published, read before its first request: answers first, since whatever is answered
 * needs neither its sent request nor its invocation result. Every reading goes to the end of the partition: what an earlier owner
 * had completed above its committed offset is not delivered again.
 */
@Injectable()
export class StepReadBack {
  constructor(
    @Inject(MESSAGE_LOG) private readonly log: MessageLog,
    @Inject(STEP_EXECUTOR_CONFIG) private readonly config: StepExecutorConfig,
    private readonly steps: PendingSteps,
  ) {}

  async restore(partition: number): Promise<void> {
    await this.read(stepResults.name, partition, this.config.STEP_RESULTS_WINDOW_MS, (key, record, text) => {
      this.steps.restoreAnswer(key, text, partition, record.timestampMs);
    });
    await this.read(stepInvocationRequests.name, partition, STEP_TRAFFIC_MS, (key, record) => {
      this.steps.restoreSent(key, partition, record.timestampMs);
    });
    await this.read(stepInvocationResults.name, partition, STEP_TRAFFIC_MS, (key, _record, text) => {
      const result = this.steps.isAnswered(key) ? undefined : readResult(text);
      if (result !== undefined) this.steps.restoreResult(key, result, partition);
    });
  }

  private async read(
    topic: string,
    partition: number,
    windowMs: number,
    keep: (key: string, record: LogRecord, text: string) => void,
  ): Promise<void> {
    const chunks = this.log.readBack({
      topic,
      partition,
      untilOffset: Number.MAX_SAFE_INTEGER,
      sinceMs: Date.now() - windowMs,
      recordsMax: this.config.STEP_READ_BACK_RECORDS_MAX,
    });
    for await (const records of chunks) {
      for (const record of records) {
        const key = keyOf(record);
        if (key !== null && record.value !== null) keep(key, record, record.value.toString('utf8'));
      }
    }
  }
}
