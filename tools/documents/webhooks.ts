import { chatBotType, eventCatalog, eventExample, eventSchema, stepExecutionBody, stepRequests, uuid, writtenTime } from '@cf/contract';
import { z } from 'zod';
import type { JsonSchemas } from './json-schemas.js';

/** The body of a step execution: these ten keys, in this order, and nothing else (the published contract). */
export const stepExecution = z
  .strictObject({
    type: z.literal('CloudFunctionStepExecution'),
    orgId: uuid,
    chatId: uuid.nullable().meta({ description: 'Null only for a Journey without a chat.' }),
    executionId: uuid,
    chatBotId: uuid,
    chatBotName: z.string(),
    chatBotType,
    stepName: z.string(),
    stepId: z.string(),
    timestamp: writtenTime.meta({ description: 'When the step began; the same in every attempt.' }),
  })
  .meta({ id: 'CloudFunctionStepExecution' });

const stepAnswer = z.looseObject({ returnValue: z.string().max(4_096).nullish() }).meta({
  id: 'StepAnswer',
  description: 'A `returnValue` that equals a Branch Option takes its branch; anything else takes the default one.',
});

const headers: readonly (readonly [name: string, required: boolean, description: string])[] = [
  ['user-agent', true, '`Cloud-Functions/<version>`.'],
  ['x-cloud-function-invocation-id', true, 'The same in every attempt: the idempotency key.'],
  ['x-cloud-function-attempt', true, 'From 1.'],
  ['x-cloud-function-budget-ms', true, 'Milliseconds that are left for the answer.'],
  ['traceparent', true, 'W3C Trace Context.'],
  ['date', false, 'With signing on.'],
  ['x-medchat-signature-sha256', false, 'With signing on: the signature over date and body.'],
];

const parameters = headers.map(([name, required, description]) => ({
  name,
  in: 'header',
  required,
  description,
  schema: { type: 'string' },
}));

/** What a customer's endpoint gets and may answer. */
export const webhooks = (schemas: JsonSchemas): object => ({
  stepExecution: {
    post: {
      operationId: 'stepExecution',
      tags: ['your-endpoint'],
      summary: 'Run a step while a person waits',
      description: 'Called once. Redirects are not followed; the answer may have 64 KiB and must come within the function’s timeout.',
      security: [],
      parameters,
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: schemas.of(stepExecution, 'input'),
            example: JSON.parse(stepExecutionBody(stepRequests.example)) as unknown,
          },
        },
      },
      responses: {
        '2XX': {
          description:
            'Any 2xx is a success. Without a body, or with an empty `returnValue`, the default branch is taken and the attribute cleared.',
          content: { 'application/json': { schema: schemas.of(stepAnswer, 'input'), example: { returnValue: 'Scheduled' } } },
        },
        default: { description: 'A failure: the failure branch if the step has one, else the default branch.' },
      },
    },
  },
  chatEvent: {
    post: {
      operationId: 'chatEvent',
      tags: ['your-endpoint'],
      summary: 'React to a chat event',
      description:
        'The event as it came, byte for byte. At least once: timeouts, connection errors, 408, 425, 429 and 5xx are retried for 24 hours, with the same invocation id.',
      security: [],
      parameters,
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: {
              oneOf: eventCatalog
                .flatMap(({ types }) => types)
                .map((type) => schemas.of(eventSchema(type).meta({ id: `${type}Event` }), 'input')),
            },
            examples: Object.fromEntries(eventCatalog.flatMap(({ types }) => types).map((type) => [type, { value: eventExample(type) }])),
          },
        },
      },
      responses: {
        '2XX': { description: 'Done; what comes back is kept in the execution, 8 KiB of it.' },
        default: { description: 'Retried or given up, by its status.' },
      },
    },
  },
});
