import type { FastifyRequest } from 'fastify';

/** A header that may come once; Node joins most repeated ones into one text, which no reader of a single value takes. */
export const singleHeader = (request: FastifyRequest, name: string): string | undefined => {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
};
