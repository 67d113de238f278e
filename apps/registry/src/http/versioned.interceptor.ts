import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { map, type Observable } from 'rxjs';
import { etagOf } from './if-match.js';

/** What a controller gives back for one resource. `pending`: saved, but its change is not acknowledged by the broker yet. */
export class Versioned {
  constructor(
    readonly answer: object,
    readonly version: number,
    readonly pending = false,
  ) {}
}

/** A deletion has no body and no version, only the word whether it is known everywhere. */
export class Deleted {
  constructor(readonly pending: boolean) {}
}

/** Puts version and propagation into the answer: `ETag`, and `propagation: pending` as header and field (guarantees.md §6). */
@Injectable()
export class VersionedInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    return next.handle().pipe(map((result: unknown) => this.answer(result, reply)));
  }

  private answer(result: unknown, reply: FastifyReply): unknown {
    if (!(result instanceof Versioned) && !(result instanceof Deleted)) return result;
    if (result.pending) void reply.header('x-propagation', 'pending');
    if (result instanceof Deleted) return undefined;
    void reply.header('etag', etagOf(result.version));
    return result.pending ? { ...result.answer, propagation: 'pending' } : result.answer;
  }
}
