import { AsyncLocalStorage } from 'node:async_hooks';
import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Observable } from 'rxjs';
import type { Principal } from './principal.js';

const principals = new AsyncLocalStorage<Principal>();

/** Who set off what runs now; null outside of a guarded request. For what is audited far below a controller. */
export const currentPrincipal = (): Principal | null => principals.getStore() ?? null;

@Injectable()
export class CurrentPrincipalInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const principal = context.getType() === 'http' ? context.switchToHttp().getRequest<FastifyRequest>().principal : undefined;
    if (principal === undefined) return next.handle();
    return new Observable((subscriber) => principals.run(principal, () => next.handle().subscribe(subscriber)));
  }
}
