import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import { Problem } from './problem.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The body's bytes as they came. */
    rawBody?: Buffer;
  }
}

/** 1,000 chat events in one batch are the largest body that any route takes (wire.md §2). */
const BODY_BYTES_MAX = 5 * 1024 * 1024;

export const createHttpAdapter = (): FastifyAdapter =>
  new FastifyAdapter({
    bodyLimit: BODY_BYTES_MAX,
    // Uuids and cursors are short; longer paths are somebody's mistake.
    routerOptions: { maxParamLength: 200 },
    forceCloseConnections: 'idle',
  });

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Problem(400, 'invalid_json', (error as Error).message);
  }
};

const decodeUtf8 = (body: Buffer): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    throw new Problem(400, 'invalid_utf8', 'The body is not valid UTF-8.');
  }
};

/**
 * Bodies keep their bytes beside what was parsed, since a chat event is passed on as it came. Prototype keys stay plain data:
 * `JSON.parse` makes own properties of them and every schema names the keys it reads.
 */
export const keepRawBodies = (app: NestFastifyApplication): void => {
  const server = app.getHttpAdapter().getInstance();
  server.removeAllContentTypeParsers();
  server.addContentTypeParser<Buffer>(
    /^application\/(json|[a-z.+-]+\+json)(;.*)?$/i,
    { parseAs: 'buffer' },
    async (request: FastifyRequest, body: Buffer) => {
      request.rawBody = body;
      return body.length === 0 ? undefined : parseJson(decodeUtf8(body));
    },
  );
  server.addContentTypeParser<Buffer>(
    /^application\/x-ndjson(;.*)?$/i,
    { parseAs: 'buffer' },
    async (request: FastifyRequest, body: Buffer) => {
      request.rawBody = body;
      return undefined;
    },
  );
};
