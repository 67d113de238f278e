import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor, SetMetadata } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';
import { z } from 'zod';
import { parseQuery } from './query.js';

const TAKES_QUERY = 'cf:takes-query';

/** Says that a route reads query parameters (with `parseQuery`, by this schema); every other route of the API refuses them all. */
export const TakesQuery = (schema?: z.ZodObject): MethodDecorator => SetMetadata(TAKES_QUERY, schema ?? true);

/** The schema of a route's query parameters; true when it takes some and does not say which. */
export const queryOf = (handler: object): z.ZodObject | true | undefined =>
  Reflect.getMetadata(TAKES_QUERY, handler) as z.ZodObject | true | undefined;

const nothing = z.object({});

/** An unknown query parameter is a 400 (wire.md §2), on routes that know none too. Runs behind the guards. */
@Injectable()
export class QueryInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { url, query } = context.switchToHttp().getRequest<FastifyRequest>();
    if (url.startsWith('/v1/') && queryOf(context.getHandler()) === undefined) parseQuery(nothing, query);
    return next.handle();
  }
}
