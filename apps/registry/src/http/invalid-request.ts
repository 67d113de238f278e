import { Problem, type ProblemError } from '@cf/service-kit';

/** A body that fits its schema and still cannot be saved, with a pointer to each reason. */
export const invalidRequest = (errors: readonly ProblemError[]): Problem =>
  new Problem(400, 'invalid_request', 'The request cannot be saved as it is.', errors);
