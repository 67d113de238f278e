import type { PipeTransform } from '@nestjs/common';
import type { z } from 'zod';
import { Problem, type ProblemError } from './problem.js';

const escapePointer = (part: PropertyKey): string => String(part).replaceAll('~', '~0').replaceAll('/', '~1');

const pointerOf = (path: readonly PropertyKey[]): string => path.map((part) => `/${escapePointer(part)}`).join('');

/** Each issue of a failed parse with the JSON pointer of its place; an unknown key is named by its own pointer. */
export const problemErrors = (error: z.ZodError): ProblemError[] =>
  error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ pointer: pointerOf([...issue.path, key]), code: 'unknown_key', detail: 'is not known here' }));
    }
    const code = issue.code === 'custom' && typeof issue.params?.['code'] === 'string' ? issue.params['code'] : issue.code;
    return [{ pointer: pointerOf(issue.path), code, detail: issue.message }];
  });

/** Validates a body; what does not fit is a 400 with a pointer to each place. */
export class ZodPipe<T> implements PipeTransform<unknown, T> {
  constructor(readonly schema: z.ZodType<T>) {}

  transform(value: unknown): T {
    const read = this.schema.safeParse(value);
    if (read.success) return read.data;
    throw new Problem(400, 'invalid_request', 'The request does not fit its schema.', problemErrors(read.error));
  }
}
