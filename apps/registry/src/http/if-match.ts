import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { describeHeader, Problem } from '@cf/service-kit';

export const etagOf = (version: number): string => `"${version}"`;

/** Throws a 412 when the version that is there is not the one that the caller has seen. */
export type Precondition = (version: number) => void;

const ENTITY_TAG_LIST = /^\s*(W\/)?"[\x21\x23-\x7e\x80-\xff]*"(\s*,\s*(W\/)?"[\x21\x23-\x7e\x80-\xff]*")*\s*$/;

/** Reads `If-Match` (RFC 9110 §13.1.1): `*` is any version, of a list one must be equal, a weak tag never is. */
export const parseIfMatch = (header: string | undefined, need: 'required' | 'optional'): Precondition => {
  if (header === undefined) {
    if (need === 'optional') return () => undefined;
    throw new Problem(428, 'precondition_required', 'Send the ETag of the version that you have seen as If-Match.');
  }
  if (header.trim() === '*') return () => undefined;
  if (!ENTITY_TAG_LIST.test(header)) throw new Problem(400, 'invalid_if_match', 'If-Match must be `*` or a list of quoted entity tags.');
  const tags = header.split(',').map((tag) => tag.trim());
  return (version) => {
    if (tags.includes(etagOf(version))) return;
    throw new Problem(412, 'version_changed', 'This is not the present version any more; read it again.');
  };
};

const ReadIfMatch = createParamDecorator((need: 'required' | 'optional', context: ExecutionContext): Precondition => {
  const header = context.switchToHttp().getRequest<FastifyRequest>().headers['if-match'];
  return parseIfMatch(header, need);
});

/** The precondition of this request; PUT and PATCH need one, DELETE may have one. */
export const IfMatch =
  (need: 'required' | 'optional'): ParameterDecorator =>
  (controller, method, index) => {
    ReadIfMatch(need)(controller, method, index);
    describeHeader(controller, method ?? '', {
      name: 'If-Match',
      description: 'The `ETag` of the version that you have seen, or `*`.',
      required: need === 'required',
      example: '"1"',
      problems: ['invalid_if_match', 'version_changed', ...(need === 'required' ? ['precondition_required'] : [])],
    });
  };
