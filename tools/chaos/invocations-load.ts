import { setTimeout as pause } from 'node:timers/promises';
import { type InvocationRequest, type StepRequest, stepRequests, triggerInvocationRequests } from '@cf/contract';
import { type MessageLog, MessagePublisher } from '@cf/messaging';
import type { BenchCustomer } from '../../bench/registry-fixture.js';
import { chatIdOf, functionOf, idOf, SLOW } from '../checker/invocation-plan.js';

const STEP_DEADLINE_MS = 15_000;
/** One step for so many triggers. */
export const TRIGGERS_PER_STEP = 40;
const TICK_MS = 20;

/** What the load calls, by their place in the registry: functions of triggers by their numbers, then that of steps. */
const STEP_FUNCTION = SLOW.cloudFunction + 1;
export const ENDPOINT_URLS = [...Array.from({ length: SLOW.cloudFunction }, (_, index) => `event-${index}`), 'slow', 'step'];

/** Publishes what the trigger matcher and the bot runtime would, as numbered by the plan. */
export class InvocationsLoad {
  triggers = 0;
  steps = 0;
  private readonly triggerPublisher: MessagePublisher;
  private readonly stepPublisher: MessagePublisher;
  private readonly open = new Set<Promise<void>>();

  constructor(
    log: MessageLog,
    private readonly customer: BenchCustomer,
  ) {
    this.triggerPublisher = new MessagePublisher(log.createPublisher('load.trigger', 'trigger'));
    this.stepPublisher = new MessagePublisher(log.createPublisher('load.step', 'step'));
  }

  get sent(): number {
    return this.triggers + this.steps;
  }

  /** At most so many a second, and none while more than `waitingMax` of them have no result yet; until `isEnough`. */
  async run(perSecond: number, waitingMax: number, answered: () => number, isEnough: () => boolean): Promise<void> {
    const startedAt = performance.now();
    for (let due = 0, before = startedAt; !isEnough(); await pause(TICK_MS)) {
      const now = performance.now();
      due = Math.min(due + ((now - before) / 1_000) * perSecond, perSecond);
      before = now;
      for (; due >= 1 && this.sent - answered() < waitingMax && !isEnough(); due--) this.sendOne();
    }
    await Promise.all(this.open);
    await Promise.all([this.triggerPublisher.close(), this.stepPublisher.close()]);
  }

  private sendOne(): void {
    const isStep = this.sent % (TRIGGERS_PER_STEP + 1) === TRIGGERS_PER_STEP;
    const sending = isStep ? this.sendStep(this.steps++) : this.sendTrigger(this.triggers++);
    const settled = sending.finally(() => this.open.delete(settled));
    this.open.add(settled);
  }

  /** Again until it is acknowledged, as a platform does. */
  private async insist(publish: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await publish();
      } catch (error) {
        if ((error as { retryable?: boolean }).retryable !== true) throw error;
        await pause(100);
      }
    }
  }

  private sendTrigger(number: number): Promise<void> {
    const id = idOf('trigger', number);
    const request: InvocationRequest = {
      ...triggerInvocationRequests.example,
      invocationId: id,
      orgId: this.customer.orgId,
      cloudFunctionId: this.customer.cloudFunctionIds[functionOf(number)] ?? '',
      chatId: chatIdOf(number),
      body: `{"type":"ChatOpened","id":"${id}"}`,
      acceptedAt: new Date().toISOString(),
      configOffset: null,
    };
    return this.insist(() => this.triggerPublisher.publish(triggerInvocationRequests, request));
  }

  private sendStep(number: number): Promise<void> {
    const id = idOf('step', number);
    const nowMs = Date.now();
    const request: StepRequest = {
      ...stepRequests.example,
      requestId: id,
      executionId: id,
      orgId: this.customer.orgId,
      chatId: chatIdOf(number),
      cloudFunctionId: this.customer.cloudFunctionIds[STEP_FUNCTION] ?? '',
      timestamp: new Date(nowMs).toISOString(),
      deadline: new Date(nowMs + STEP_DEADLINE_MS).toISOString(),
    };
    return this.insist(() => this.stepPublisher.publish(stepRequests, request));
  }
}
