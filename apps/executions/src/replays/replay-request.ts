import { sameId, uuid } from '@cf/contract';
import { z } from 'zod';
import { executionFilters } from '../query/execution-filters.js';

/** Ids in one request, which is what fits a body; a filter has no such bound. */
const INVOCATION_IDS_MAX = 100_000;

const scalar = z.union([z.string(), z.number(), z.boolean()]);

/** A record leaves this key out in silence, and a filter that filters nothing replays everything. */
const refusePrototype = (given: unknown, context: z.RefinementCtx): unknown => {
  if (typeof given === 'object' && given !== null && Object.hasOwn(given, '__proto__'))
    context.addIssue({ code: 'unrecognized_keys', keys: ['__proto__'] });
  return given;
};

/** What no trigger has: with one of these nothing would be replayed. */
const STEP_FILTERS = ['requestId', 'chatBotId', 'stepId', 'stepName'] as const;

/** The filters of the list as JSON: values are what the query would say, several of them an array. */
const replayFilter = z
  .preprocess(refusePrototype, z.record(z.string(), z.union([scalar, z.array(scalar)])))
  .transform((given) =>
    Object.fromEntries(Object.entries(given).map(([name, value]) => [name, Array.isArray(value) ? value.map(String) : String(value)])),
  )
  .superRefine((given, context) => {
    const read = executionFilters.strict().safeParse(given);
    for (const issue of read.error?.issues ?? []) context.addIssue({ ...issue } as Parameters<typeof context.addIssue>[0]);
    if (!read.success) return;
    const refuse = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    if (read.data.kind?.some((kind) => kind !== 'trigger')) refuse('kind', 'only triggers can be replayed');
    if (read.data.test === true) refuse('test', 'tests cannot be replayed');
    for (const name of STEP_FILTERS) if (name in given) refuse(name, 'only steps have it, and only triggers can be replayed');
  });

export const replayRequest = z
  .strictObject({
    name: z
      .string()
      .trim()
      .min(1)
      .max(200)
      .refine((name) => !name.includes('\0'), { error: 'must not hold NUL', params: { code: 'invalid_format' } }),
    filter: replayFilter.optional(),
    invocationIds: z.array(uuid.transform(sameId)).min(1).max(INVOCATION_IDS_MAX).optional(),
    onlyIfNotSucceeded: z.boolean().default(true),
    dryRun: z.boolean().default(false),
  })
  .refine(({ filter, invocationIds }) => (filter === undefined) !== (invocationIds === undefined), {
    message: 'give either a filter or invocationIds',
  });
export type ReplayRequest = z.infer<typeof replayRequest>;

export const replayExample: z.input<typeof replayRequest> = {
  name: 'After the outage of the CRM',
  filter: { status: ['dead_lettered'], failureReason: 'http_status' },
};
