import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { answerProblem } from './problem-answer.js';
import { Problem } from './problem.js';

const codes: Readonly<Record<number, string>> = {
  400: 'bad_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  408: 'request_timeout',
  413: 'body_too_large',
  414: 'uri_too_long',
  415: 'unsupported_media_type',
  429: 'too_many_requests',
  431: 'headers_too_large',
  503: 'unavailable',
};

const statusOf = (error: unknown): number => {
  if (error instanceof HttpException) return error.getStatus();
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : 500;
};

const isRetryable = (error: unknown): boolean => (error as { retryable?: unknown } | null)?.retryable === true;

const asProblem = (error: unknown): Problem => {
  if (error instanceof Problem) return error;
  const status = statusOf(error);
  if (status !== 500)
    return new Problem(status, codes[status] ?? 'bad_request', error instanceof Error ? error.message : 'The request was refused.');
  if (isRetryable(error)) {
    return new Problem(503, 'unavailable', 'A part that this needs is away; try again.', [], { 'retry-after': '1' });
  }
  return new Problem(500, 'internal', 'Something went wrong here; the trace id finds it in the log.');
};

/** Turns everything thrown below a controller into problem+json. Details of unexpected errors stay in the log. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    // Answered at shutdown, before its handler came to an end; or nobody is there any more.
    if (reply.sent || reply.raw.destroyed) return;
    const problem = asProblem(error);
    const { status, headers, body, traceId } = answerProblem(problem, request.headers['traceparent']);
    if (status >= 500) this.logger.error({ err: error, traceId, method: request.method, path: request.url.split('?')[0] }, problem.code);
    void reply.status(status).headers(headers).send(body);
  }
}
