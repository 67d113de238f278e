import { uuid } from '@cf/contract';
import { z } from 'zod';
import type { StepIdentity } from './decide-result.js';

const readable = uuid.nullable().catch(null);

const fragment = z.object({
  requestId: uuid,
  orgId: readable.default(null),
  executionId: readable.default(null),
  chatId: readable.default(null),
  stepId: z.string().max(1_000).nullable().catch(null).default(null),
  cloudFunctionId: readable.default(null),
  failureBranch: z.boolean().catch(false).default(false),
});

/** What can be told of a request that does not fit its schema, so that it still gets an answer; null without a request id. */
export const readFragment = (json: unknown): (StepIdentity & { failureBranch: boolean }) | null => fragment.safeParse(json).data ?? null;
