import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { AuditEvent, Scope } from '@cf/contract';
import type { FastifyRequest } from 'fastify';

/** Who asks. An operator may do everything but reveal bodies. */
export type Principal =
  | { readonly type: 'operator' }
  | {
      readonly type: 'access-token';
      readonly tokenId: string;
      readonly orgId: string;
      readonly name: string;
      readonly scopes: readonly Scope[];
    };

declare module 'fastify' {
  interface FastifyRequest {
    principal?: Principal;
  }
}

export const hasScope = (principal: Principal, scope: Scope): boolean =>
  principal.type === 'operator' ? scope !== 'executions:reveal' : principal.scopes.includes(scope);

/** Who asks, as the audit log names them. */
export const actorOf = (principal: Principal): AuditEvent['actor'] =>
  principal.type === 'operator'
    ? { type: 'operator', id: null, name: null }
    : { type: 'access-token', id: principal.tokenId, name: principal.name };

/** The principal that a guard let in. */
export const CurrentPrincipal = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  const { principal } = context.switchToHttp().getRequest<FastifyRequest>();
  if (principal === undefined) throw new Error('a route asks for its principal but has no guard');
  return principal;
});
