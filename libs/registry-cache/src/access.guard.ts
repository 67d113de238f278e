import { createHash, timingSafeEqual } from 'node:crypto';
import { type CanActivate, type ExecutionContext, Inject, Injectable, SetMetadata } from '@nestjs/common';
import { ACCESS_TOKEN_PREFIX, type AccessToken, isAccessTokenText, sameId, type Scope, uuid } from '@cf/contract';
import { notFound, OPERATOR_TOKEN_PREFIX, PLATFORM, type PlatformConfig, Problem } from '@cf/service-kit';
import type { FastifyRequest } from 'fastify';
import { AccessTrail } from './access-trail.js';
import { hasScope, type Principal } from './principal.js';
import { RegistryCache } from './registry-cache.js';

const REQUIRED_SCOPE = 'cf:required-scope';

/** The scope that a route (or a whole controller) asks of an access token. */
export const RequireScope = (scope: Scope) => SetMetadata(REQUIRED_SCOPE, scope);

export const requiredScopeOf = (handler: object, controller: object): Scope | undefined =>
  (Reflect.getMetadata(REQUIRED_SCOPE, handler) ?? Reflect.getMetadata(REQUIRED_SCOPE, controller)) as Scope | undefined;

const BEARER = { 'www-authenticate': 'Bearer' };
const unauthorized = (detail: string): Problem => new Problem(401, 'unauthorized', detail, [], BEARER);

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
    protected readonly trail: AccessTrail,
  ) {
    this.operatorHash = sha256(platform.operatorToken);
  }

  protected async authenticate(request: FastifyRequest): Promise<Principal> {
    const text = bearerOf(request);
    const hash = sha256(text);
    if (timingSafeEqual(hash, this.operatorHash)) return { type: 'operator' };
    if (!isAccessTokenText(text)) throw this.malformed(text, hash, request);
    const token = await this.tokenOf(hash.toString('hex'));
    if (token === undefined) throw this.unknown(hash, request);
    if (token.expiresAt !== null && Date.parse(token.expiresAt) <= Date.now()) {
      this.trail.refused(token, request, 'token_expired');
      throw new Problem(401, 'token_expired', `The token expired at ${token.expiresAt}.`, [], BEARER);
    }
    this.trail.used(token);
    return { type: 'access-token', tokenId: token.id, orgId: token.orgId, name: token.name, scopes: token.scopes };
  }

  private async tokenOf(hash: string): Promise<AccessToken | undefined> {
    const known = this.cache.accessTokenByHash(hash);
    if (known !== undefined) return known;
    await this.cache.caughtUp();
    return this.cache.accessTokenByHash(hash);
  }

  /** Told from its text alone: nothing is looked up, nothing is waited for. */
  private malformed(text: string, hash: Buffer, request: FastifyRequest): Problem {
    if (text.startsWith(OPERATOR_TOKEN_PREFIX)) this.trail.strangerRefused('operator', hash, request, 'unauthorized');
    if (!text.startsWith(ACCESS_TOKEN_PREFIX)) return unauthorized('This is no token.');
    return new Problem(401, 'malformed_token', 'The checksum of the token is wrong: it was mistyped or cut.', [], BEARER);
  }

  private unknown(hash: Buffer, request: FastifyRequest): Problem {
    const revoked = this.cache.revokedTokenByHash(hash.toString('hex'));
    if (revoked === undefined) this.trail.strangerRefused('access-token', hash, request, 'unauthorized');
    else this.trail.refused(revoked, request, 'token_revoked');
    return unauthorized('The token is unknown or revoked.');
  }
}

/** Lets in operators and the tokens of the organization in the path. What is another's is 404, a missing scope is 403. */
@Injectable()
export class TenantGuard extends AccessGuard implements CanActivate {
  constructor(@Inject(PLATFORM) platform: PlatformConfig, cache: RegistryCache, trail: AccessTrail) {
    super(platform, cache, trail);
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest<{ Params: { orgId?: string } }>>();
    const principal = await this.authenticate(request);
    const orgId = request.params.orgId ?? '';
    if (!uuid.safeParse(orgId).success) throw notFound('There is no such organization.');
    if (principal.type === 'access-token' && sameId(principal.orgId) !== sameId(orgId)) {
      this.trail.refused(principal, request, 'not_found', { orgId: sameId(orgId) });
      throw notFound('There is no such organization.');
    }
    if (this.cache.organization(orgId) === undefined) {
      await this.cache.caughtUp();
      if (this.cache.organization(orgId) === undefined) throw notFound('There is no such organization.');
    }
    const scope = requiredScopeOf(context.getHandler(), context.getClass());
    if (scope === undefined) throw new Error('a tenant route names no scope');
    if (!hasScope(principal, scope)) {
      if (principal.type === 'access-token') this.trail.refused(principal, request, 'missing_scope', { scope });
      throw new Problem(403, 'missing_scope', `The token lacks the scope ${scope}.`);
    }
    request.principal = principal;
    return true;
  }
}

/** Lets in operators only. For everybody else there is nothing here. */
@Injectable()
export class OperatorGuard extends AccessGuard implements CanActivate {
  constructor(@Inject(PLATFORM) platform: PlatformConfig, cache: RegistryCache, trail: AccessTrail) {
    super(platform, cache, trail);
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const principal = await this.authenticate(request);
    if (principal.type !== 'operator') {
      this.trail.refused(principal, request, 'operators_only');
      throw new Problem(403, 'operators_only', 'This needs the token of an operator.');
    }
    request.principal = principal;
    return true;
  }
}
