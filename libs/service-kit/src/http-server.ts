import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { answerProblem } from './problem-answer.js';
import type { Health } from './health.js';
import { Problem } from './problem.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The body's bytes as they came. */
    rawBody?: Buffer;
  }
}

/** 1,000 chat events in one batch are the largest body that any route takes (wire.md §2). */
const BODY_BYTES_MAX = 5 * 1024 * 1024;

/** What the router refuses before any route is found. The path is not repeated: it may be long, and a caller knows it. */
const unroutable = (error: { statusCode?: number }): Problem =>
  error.statusCode === 414
    ? new Problem(414, 'uri_too_long', 'A part of the path is too long.')
    : new Problem(400, 'invalid_path', 'The path holds an escape that is none.');

const unreadable = ({ code }: { code?: string }): Problem => {
  if (code === 'HPE_HEADER_OVERFLOW') return new Problem(431, 'headers_too_large', 'The headers are too large.');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new Problem(408, 'request_timeout', 'The request did not come in time.');
  return new Problem(400, 'bad_request', 'This is no HTTP request that can be read.');
};

/** Answers what Node could not read as HTTP; there is no request and no reply then, only the connection. */
const refuseConnection = (error: { code?: string }, socket: Socket): void => {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const { status, headers, body } = answerProblem(unreadable(error));
  const lines = Object.entries({ ...headers, 'content-length': Buffer.byteLength(body), connection: 'close' });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`,
    () => socket.destroy(),
  );
};

export const createHttpAdapter = (): FastifyAdapter =>
  new FastifyAdapter({
    bodyLimit: BODY_BYTES_MAX,
    // Uuids and cursors are short; longer paths are somebody's mistake.
    routerOptions: { maxParamLength: 200 },
    forceCloseConnections: 'idle',
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
      const { status, headers, body } = answerProblem(unroutable(error), request.headers['traceparent']);
      void reply.status(status).headers(headers).send(body);
    },
    clientErrorHandler: refuseConnection,
  });

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    // The engine's message quotes the body, which may hold a secret.
    const [place = ''] = / at position \d+$| at position \d+(?= )/.exec((error as Error).message) ?? [];
    throw new Problem(400, 'invalid_json', `The body is not valid JSON${place}.`);
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

export interface MountedRoute {
  readonly method: string;
  readonly path: string;
}

/** Lists the routes as the router gets them from now on; the OpenAPI document is held against them. */
export const listRoutes = (app: NestFastifyApplication): readonly MountedRoute[] => {
  const routes: MountedRoute[] = [];
  const server = app.getHttpAdapter().getInstance();
  server.addHook('onRoute', ({ method, url }) => {
    routes.push(...[method].flat().map((each) => ({ method: each, path: url })));
  });
  return routes;
};

export interface OpenRequests {
  /** Resolves once every request has its answer; those that have none after `timeoutMs` are told to come again. */
  end(timeoutMs: number): Promise<void>;
}

const LOOK_EVERY_MS = 20;
/** For a refusal to reach its client; one that does not read is cut off. */
const REFUSAL_MS = 500;

/** Follows requests rather than connections, which clients keep open. While draining, each answer is the last one of its connection. */
export const followRequests = (app: NestFastifyApplication, health: Health): OpenRequests => {
  const open = new Set<FastifyReply>();
  const server = app.getHttpAdapter().getInstance();
  server.addHook('onRequest', async (_request, reply: FastifyReply) => {
    open.add(reply);
    reply.raw.once('close', () => open.delete(reply));
  });
  server.addHook('onSend', async (_request, reply) => {
    if (health.isDraining) reply.header('connection', 'close');
  });
  const answered = async (timeoutMs: number): Promise<void> => {
    for (const giveUpAt = Date.now() + timeoutMs; open.size > 0 && Date.now() < giveUpAt; ) await setTimeout(LOOK_EVERY_MS);
  };
  return {
    end: async (timeoutMs) => {
      await answered(timeoutMs);
      for (const reply of open) refuse(reply);
      await answered(REFUSAL_MS);
    },
  };
};

const refuse = (reply: FastifyReply): void => {
  if (reply.sent) return;
  const problem = new Problem(503, 'shutting_down', 'This process stops; send the request again, with the same id.', [], {
    'retry-after': '1',
  });
  const { status, headers, body } = answerProblem(problem, reply.request.headers['traceparent']);
  void reply.status(status).headers(headers).send(body);
};
