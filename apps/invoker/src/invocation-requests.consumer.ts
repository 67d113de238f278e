import { Controller } from '@nestjs/common';
import { type InvocationRequest, type InvocationResult, stepInvocationRequests, triggerInvocationRequests } from '@cf/contract';
import { type MessageContext, OnMessage } from '@cf/messaging';
import { endOfTurn } from './end-of-turn.js';
import { InvocationResultsPublisher } from './invocation-results.publisher.js';
import { Invoker } from './invoke.js';
import { InvokerMetrics } from './invoker-metrics.js';
import { OwnedPartitions } from './limits/owned-partitions.js';
import { RecentSteps } from './once/recent-steps.js';
import { sendingKey } from './once/sending-key.js';
import { SeenOffsets } from './once/seen-offsets.js';
import { STEP_GROUP } from './step-lane.group.js';
import { TRIGGER_GROUP } from './trigger-lane.group.js';

@Controller()
export class StepInvocationRequestsConsumer {
  constructor(
    private readonly invoker: Invoker,
    private readonly results: InvocationResultsPublisher,
    private readonly recent: RecentSteps,
    private readonly owned: OwnedPartitions,
    private readonly metrics: InvokerMetrics,
  ) {}

  /** A step that comes again is answered again, not called again. */
  @OnMessage(stepInvocationRequests, STEP_GROUP)
  async onStepRequest(request: InvocationRequest, context: MessageContext): Promise<void> {
    const { record, traceparent } = context;
    const atMs = Math.max(record.timestampMs, this.owned.sinceMs(record.partition));
    const { result: asked, repeated } = this.recent.once(sendingKey(request), () => this.invoker.invoke(request, { traceparent, atMs }));
    if (repeated) this.metrics.repeated('step');
    const result = await asked;
    context.yieldSlot();
    // What comes again may be worded differently; its result is about the one that was called.
    const came = repeated ? {} : { requestText: context.text };
    await this.results.publish(result, { partition: record.partition, traceparent, ...came });
  }
}

@Controller()
export class TriggerInvocationRequestsConsumer {
  private readonly running = new Map<string, Promise<void>>();
  /** Results of calls that were made and could not be published, so that another try publishes and does not call. */
  private readonly unpublished = new Map<string, InvocationResult>();

  constructor(
    private readonly invoker: Invoker,
    private readonly results: InvocationResultsPublisher,
    private readonly seen: SeenOffsets,
    private readonly metrics: InvokerMetrics,
  ) {}

  /** A request that was sent before (lower offset) is dropped; one that is delivered twice while it runs is one call. */
  @OnMessage(triggerInvocationRequests, TRIGGER_GROUP)
  onTriggerRequest(request: InvocationRequest, context: MessageContext): Promise<void> {
    const key = sendingKey(request);
    const { partition, offset } = context.record;
    const running = this.running.get(key);
    if (this.seen.isRepeated(partition, key, offset) || running !== undefined) {
      this.metrics.repeated('trigger');
      return running ?? Promise.resolve();
    }
    const call = this.call(key, request, context);
    this.running.set(key, call);
    return call;
  }

  private async call(key: string, request: InvocationRequest, context: MessageContext): Promise<void> {
    const { record, traceparent, signal, isSurplus } = context;
    try {
      const known = this.unpublished.get(key);
      const result = known ?? (await this.invoker.invoke(request, { traceparent, atMs: record.timestampMs, isSurplus }));
      context.yieldSlot();
      // Others that were answered with it free their slots before any result is written.
      await endOfTurn();
      try {
        await this.results.publish(result, { partition: record.partition, traceparent, requestText: context.text });
        if (known !== undefined) this.unpublished.delete(key);
      } catch (error) {
        if (signal.aborted) this.unpublished.delete(key);
        else this.unpublished.set(key, result);
        throw error;
      }
    } finally {
      this.running.delete(key);
    }
  }
}
