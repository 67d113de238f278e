import { chatBotType, eventSchema, type EventType, eventTypes, rfc3339, uuid } from '@cf/contract';
import { z } from 'zod';

const name = z.string().max(1_000);

/** A sample step; what is left out has a sample value. */
const stepTest = z
  .strictObject({
    kind: z.literal('step'),
    chatId: uuid.nullish(),
    executionId: uuid.optional(),
    chatBotId: uuid.optional(),
    chatBotName: name.optional(),
    chatBotType: chatBotType.default('LiveChat'),
    stepName: name.optional(),
    stepId: name.optional(),
    timestamp: rfc3339.optional(),
    saveValueToAttribute: name.min(1).nullable().default(null),
    failureBranch: z.boolean().default(false),
  })
  .refine((step) => step.chatId !== null || step.chatBotType === 'Journey', {
    path: ['chatId'],
    message: 'may be null only for a Journey',
  });

/** An event: the catalog's sample of a type, one that is pasted, or the one of an execution. */
const triggerTest = z
  .strictObject({
    kind: z.literal('trigger'),
    eventType: z.enum(eventTypes as [EventType, ...EventType[]]).optional(),
    event: z.looseObject({ type: z.enum(eventTypes as [EventType, ...EventType[]]) }).optional(),
    eventId: uuid.optional(),
  })
  .refine(({ eventType, event, eventId }) => [eventType, event, eventId].filter((given) => given !== undefined).length === 1, {
    message: 'needs one of eventType, event and eventId',
  })
  .superRefine(({ event }, context) => {
    if (event === undefined) return;
    for (const issue of eventSchema(event.type).safeParse(event).error?.issues ?? []) {
      context.addIssue({ code: 'custom', path: ['event', ...issue.path], message: issue.message });
    }
  });

/** What the body of `POST …/test-invocations` may say. */
export const testRequest = z.discriminatedUnion('kind', [stepTest, triggerTest]).meta({ id: 'TestRequest' });

export type StepTest = z.infer<typeof stepTest>;
export type TriggerTest = z.infer<typeof triggerTest>;
export type TestRequest = z.infer<typeof testRequest>;
