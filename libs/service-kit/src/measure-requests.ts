import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Metrics } from './metrics.js';

/** From an answer out of memory to a step that is waited for. */
const SECONDS = [0.005, 0.02, 0.1, 0.5, 2, 10, 60];

/** Counts and times requests by route, so that ids in paths make no series of their own. */
export const measureRequests = (app: NestFastifyApplication, metrics: Metrics): void => {
  const labels = ['method', 'route', 'status'] as const;
  const seconds = metrics.histogram('cf_http_request_seconds', 'Time from a request to the end of its answer', labels, SECONDS);
  const server = app.getHttpAdapter().getInstance();
  server.addHook('onResponse', async (request: FastifyRequest, reply: FastifyReply) => {
    const route = request.routeOptions.url ?? 'unknown';
    seconds.observe({ method: request.method, route, status: String(reply.statusCode) }, reply.elapsedTime / 1_000);
  });
};
