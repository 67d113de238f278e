import { sameId, stepRequest, type StepRequest, stepRequests, uuid } from '@cf/contract';
import { Problem, problemErrors } from '@cf/service-kit';
import { z } from 'zod';

/** The message of `chatbot.step-requests`; its organization is that of the path. */
export const stepRequestBody = z.object({ ...stepRequest.shape, orgId: uuid.optional() }).meta({ id: 'RunStep' });

const { orgId: _, ...example } = stepRequests.example;
export const stepRequestExample = example;

const isObject = (body: unknown): body is Record<string, unknown> => typeof body === 'object' && body !== null && !Array.isArray(body);

const refuse = (errors: Problem['errors']): Problem => new Problem(400, 'invalid_request', 'The request does not fit its schema.', errors);

/** The step request of a body, whose organization is the path's. Throws a `Problem` with a pointer to each place. */
export const readStepRequest = (body: unknown, orgId: string): StepRequest => {
  if (!isObject(body)) throw refuse([{ pointer: '', code: 'invalid_type', detail: 'must be an object' }]);
  const { orgId: named = orgId } = body;
  if (typeof named !== 'string' || sameId(named) !== sameId(orgId)) {
    throw refuse([{ pointer: '/orgId', code: 'other_organization', detail: 'must be the organization of the path, or left out' }]);
  }
  const read = stepRequest.safeParse({ ...body, orgId });
  if (!read.success) throw refuse(problemErrors(read.error));
  return read.data;
};
