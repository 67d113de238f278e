import { triggerInvocationId, writeTime, type ChatEvent, type InvocationRequest, type InvocationResult, type Trigger } from '@cf/contract';
import type { LoopVerdict } from './loop-guard.js';

/** An event as it came: its exact text, and the broker time that starts the 24 hours of its retries. */
export interface ArrivedEvent {
  readonly event: ChatEvent;
  readonly text: string;
  readonly acceptedAtMs: number;
}

/** The intent to call a trigger's function for an event. `configOffset` is how far the registry was read when the trigger matched. */
export const planInvocation = (trigger: Trigger, { event, text, acceptedAtMs }: ArrivedEvent, configOffset: number): InvocationRequest => ({
  invocationId: triggerInvocationId(trigger.id, event.id),
  seq: 0,
  attempt: 1,
  origin: 'automatic',
  kind: 'trigger',
  test: false,
  orgId: event.orgId,
  cloudFunctionId: trigger.cloudFunctionId,
  triggerId: trigger.id,
  event: { id: event.id, type: event.type },
  step: null,
  chatId: event.chatId ?? null,
  body: text,
  acceptedAt: writeTime(acceptedAtMs),
  deadline: null,
  configOffset,
  retryUntil: null,
});

const reasons: Readonly<Record<Exclude<LoopVerdict, 'pass'>, string>> = {
  too_many: 'The loop guard stopped it: too many invocations of this trigger for this chat within a minute.',
  own_cause: 'The loop guard stopped it: the event was caused by this trigger itself.',
};

/** What is recorded instead of a call that the loop guard stopped; it holds its request, so it can be replayed. */
export const suppress = (request: InvocationRequest, verdict: Exclude<LoopVerdict, 'pass'>, nowMs: number): InvocationResult => ({
  request,
  disposition: 'suppressed',
  outcome: null,
  failureReason: null,
  failureDetail: reasons[verdict],
  deferReason: null,
  httpStatus: null,
  returnValue: null,
  warning: null,
  dueAt: null,
  attempts: [],
  completedAt: writeTime(nowMs),
  circuit: null,
});
