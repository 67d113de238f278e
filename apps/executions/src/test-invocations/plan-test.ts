import {
  type ChatEvent,
  eventExample,
  type InvocationRequest,
  sameId,
  stepExecutionBody,
  type StepRequest,
  stepRequests,
  uuid,
  writeTime,
} from '@cf/contract';
import { Problem } from '@cf/service-kit';
import type { StepTest, TriggerTest } from './test-request.js';

/** An event as the endpoint gets it. */
export interface SentEvent {
  readonly event: Pick<ChatEvent, 'id' | 'type'>;
  readonly chatId: string | null;
  readonly body: string;
}

export interface TestPlace {
  readonly orgId: string;
  readonly cloudFunctionId: string;
  readonly nowMs: number;
  readonly configOffset: number;
  readonly newId: () => string;
}

const textOf = (event: object): string => {
  try {
    return JSON.stringify(event);
  } catch {
    const error = { pointer: '/event', code: 'too_deep', detail: 'is nested too deeply to be written again' };
    throw new Problem(400, 'invalid_event', 'The event is nested too deeply.', [error]);
  }
};

const sentEvent = (event: Readonly<Record<string, unknown>> & { readonly id: string; readonly type: string }): SentEvent => {
  const chatId = uuid.safeParse(event['chatId']);
  return { event: { id: event.id, type: event.type }, chatId: chatId.success ? chatId.data : null, body: textOf(event) };
};

/** The event of a test, new for a sample; null for one that has to be looked up. */
export const eventOfTest = ({ eventType, event }: TriggerTest, { orgId, nowMs, newId }: TestPlace): SentEvent | null => {
  if (event !== undefined) return sentEvent(event as typeof event & { id: string });
  if (eventType === undefined) return null;
  return sentEvent({ ...eventExample(eventType), type: eventType, id: newId(), orgId, timestamp: writeTime(nowMs) });
};

/** A test is one sending that nobody waits for on the step lane: no deadline, no retry, no trigger. */
const request = (place: TestPlace, kind: InvocationRequest['kind'], sent: Omit<SentEvent, 'event'>): InvocationRequest => ({
  invocationId: place.newId(),
  seq: 0,
  attempt: 1,
  origin: 'test',
  kind,
  test: true,
  orgId: place.orgId,
  cloudFunctionId: place.cloudFunctionId,
  triggerId: null,
  event: null,
  step: null,
  chatId: sent.chatId,
  body: sent.body,
  acceptedAt: writeTime(place.nowMs),
  deadline: null,
  configOffset: place.configOffset,
  retryUntil: null,
});

export const planTriggerTest = (place: TestPlace, sent: SentEvent): InvocationRequest => ({
  ...request(place, 'trigger', sent),
  event: sent.event,
});

export const planStepTest = (place: TestPlace, test: StepTest): InvocationRequest => {
  const sample = stepRequests.example;
  const step: StepRequest = {
    requestId: place.newId(),
    orgId: sameId(place.orgId),
    chatId: test.chatId === undefined ? place.newId() : test.chatId,
    executionId: test.executionId ?? place.newId(),
    chatBotId: test.chatBotId ?? sample.chatBotId,
    chatBotName: test.chatBotName ?? sample.chatBotName,
    chatBotType: test.chatBotType,
    stepName: test.stepName ?? sample.stepName,
    stepId: test.stepId ?? sample.stepId,
    cloudFunctionId: place.cloudFunctionId,
    saveValueToAttribute: test.saveValueToAttribute,
    failureBranch: test.failureBranch,
    timestamp: test.timestamp ?? writeTime(place.nowMs),
    deadline: null,
  };
  const { requestId, executionId, chatBotId, chatBotName, chatBotType, stepName, stepId, saveValueToAttribute, failureBranch } = step;
  return {
    ...request(place, 'step', { chatId: step.chatId, body: stepExecutionBody(step) }),
    step: { requestId, executionId, chatBotId, chatBotName, chatBotType, stepName, stepId, saveValueToAttribute, failureBranch },
  };
};
