import { createHash, timingSafeEqual } from 'node:crypto';
import { type CanActivate, type ExecutionContext, Inject, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { sameId, type Scope, uuid } from '@cf/contract';
import { notFound, PLATFORM, type PlatformConfig, Problem } from '@cf/service-kit';
import type { FastifyRequest } from 'fastify';
import { hasScope, type Principal } from './principal.js';
import { RegistryCache } from './registry-cache.js';

const REQUIRED_SCOPE = 'cf:required-scope';

/** The scope that a route (or a whole controller) asks of an access token. */
export const RequireScope = (scope: Scope) => SetMetadata(REQUIRED_SCOPE, scope);

const unauthorized = (detail: string): Problem => new Problem(401, 'unauthorized', detail, [], { 'www-authenticate': 'Bearer' });

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

const bearerOf = (request: FastifyRequest): string => {
  const [, token] = /^Bearer +([\x21-\x7e]{1,500}) *$/i.exec(request.headers.authorization ?? '') ?? [];
  if (token === undefined) throw unauthorized('Send `Authorization: Bearer <token>`.');
  return token;
};

abstract class AccessGuard {
  private readonly operatorHash: Buffer;

  constructor(
    platform: PlatformConfig,
    protected readonly cache: RegistryCache,
  ) {
    this.operatorHash = sha256(platform.operatorToken);
  }

  protected async authenticate(request: FastifyRequest): Promise<Principal> {
    const hash = sha256(bearerOf(request));
    if (timingSafeEqual(hash, this.operatorHash)) return { type: 'operator' };
    const known = await this.tokenOf(hash.toString('hex'));
    if (known === undefined) throw unauthorized('The token is unknown, revoked or expired.');
    return { type: 'access-token', tokenId: known.id, orgId: known.orgId, name: known.name, scopes: known.scopes };
  }

  private async tokenOf(hash: string) {
    let token = this.cache.accessTokenByHash(hash);
    if (token === undefined) {
      await this.cache.caughtUp();
      token = this.cache.accessTokenByHash(hash);
    }
    return token !== undefined && (token.expiresAt === null || Date.parse(token.expiresAt) > Date.now()) ? token : undefined;
  }
}

/** Lets in operators and the tokens of the organization in the path. What is another's is 404, a missing scope is 403. */
@Injectable()
export class TenantGuard extends AccessGuard implements CanActivate {
  constructor(
    @Inject(PLATFORM) platform: PlatformConfig,
    cache: RegistryCache,
    private readonly reflector: Reflector,
  ) {
    super(platform, cache);
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest<{ Params: { orgId?: string } }>>();
    const principal = await this.authenticate(request);
    const orgId = request.params.orgId ?? '';
    if (!uuid.safeParse(orgId).success) throw notFound('There is no such organization.');
    if (principal.type === 'access-token' && sameId(principal.orgId) !== sameId(orgId)) throw notFound('There is no such organization.');
    if (this.cache.organization(orgId) === undefined) {
      await this.cache.caughtUp();
      if (this.cache.organization(orgId) === undefined) throw notFound('There is no such organization.');
    }
    const scope = this.reflector.getAllAndOverride<Scope | undefined>(REQUIRED_SCOPE, [context.getHandler(), context.getClass()]);
    if (scope === undefined) throw new Error('a tenant route names no scope');
    if (!hasScope(principal, scope)) throw new Problem(403, 'missing_scope', `The token lacks the scope ${scope}.`);
    request.principal = principal;
    return true;
  }
}

/** Lets in operators only. For everybody else there is nothing here. */
@Injectable()
export class OperatorGuard extends AccessGuard implements CanActivate {
  constructor(@Inject(PLATFORM) platform: PlatformConfig, cache: RegistryCache) {
    super(platform, cache);
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const principal = await this.authenticate(request);
    if (principal.type !== 'operator') throw new Problem(403, 'operators_only', 'This needs the token of an operator.');
    request.principal = principal;
    return true;
  }
}
