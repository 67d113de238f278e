import { messageHeader, traceIdOf } from '@cf/contract';
import { beginSpan, type OpenSpan } from '@cf/messaging';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';

/** Asked every few seconds by machines; a trace of each would bury the others. */
const UNTRACED = /^\/(health|metrics)(\/|$)/;

const routeOf = ({ method, routeOptions }: FastifyRequest): string => `${method} ${routeOptions.url ?? 'unknown'}`;

/** A span for each request. What follows from the request finds it in its `traceparent` header, made here when none came. */
export const followTraces = (app: NestFastifyApplication, logger: Logger): void => {
  const server = app.getHttpAdapter().getInstance();
  const spans = new WeakMap<FastifyRequest, OpenSpan>();
  server.addHook('onRequest', async (request: FastifyRequest) => {
    if (UNTRACED.test(request.url)) return;
    const { traceparent } = request.headers;
    const span = beginSpan(request.method, 'server', typeof traceparent === 'string' ? traceparent : undefined, () => ({
      'http.request.method': request.method,
    }));
    request.headers[messageHeader.traceparent] = span.traceparent;
    spans.set(request, span);
  });
  server.addHook('onResponse', async (request: FastifyRequest, reply: FastifyReply) => {
    const span = spans.get(request);
    if (span === undefined) return;
    const { statusCode } = reply;
    span.end({
      name: routeOf(request),
      attributes: { 'http.route': request.routeOptions.url, 'http.response.status_code': statusCode },
      error: statusCode >= 500 ? String(statusCode) : null,
    });
    if (logger.isLevelEnabled('debug')) {
      const traceId = traceIdOf(span.traceparent);
      logger.debug({ route: routeOf(request), status: statusCode, durationMs: Math.round(reply.elapsedTime), traceId }, 'answered');
    }
  });
};
