import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';
import { z } from 'zod';
import { parseQuery } from './query.js';

const TAKES_QUERY = 'cf:takes-query';

/** Says that a route reads query parameters (with `parseQuery`); every other route of the API refuses them all. */
export const TakesQuery = () => SetMetadata(TAKES_QUERY, true);

const nothing = z.object({});

/** An unknown query parameter is a 400 (wire.md §2), on routes that know none too. Runs behind the guards. */
@Injectable()
export class QueryInterceptor implements NestInterceptor {
  constructor(private readonly reflector: Reflector) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { url, query } = context.switchToHttp().getRequest<FastifyRequest>();
    const takesQuery = this.reflector.get<boolean | undefined>(TAKES_QUERY, context.getHandler()) === true;
    if (url.startsWith('/v1/') && !takesQuery) parseQuery(nothing, query);
    return next.handle();
  }
}
