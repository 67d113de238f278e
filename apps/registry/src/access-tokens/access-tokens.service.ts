import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { sameId } from '@cf/contract';
import type { Database } from '@cf/persistence';
import type { Principal } from '@cf/registry-cache';
import { notFound, Problem } from '@cf/service-kit';
import type { EntityManager } from 'typeorm';
import { ChangeLog, type Written } from '../change-log/change-log.js';
import { REGISTRY_DATABASE } from '../database/registry-database.token.js';
import { firstVersion } from '../database/versioned-row.js';
import type { Precondition } from '../http/if-match.js';
import type { Page } from '../http/newest-first.js';
import type { AccessTokenEntity } from './access-token.entity.js';
import { accessTokenKind } from './access-token.kind.js';
import { AccessTokensRepository } from './access-tokens.repository.js';
import type { CreateAccessToken, ListAccessTokens } from './access-tokens.schema.js';
import { hashOf, makeToken } from './make-token.js';
import { expiryWithin, refuseExcessScopes } from './refuse-excess.js';

type AccessTokenPrincipal = Extract<Principal, { type: 'access-token' }>;

export interface MadeToken {
  readonly row: AccessTokenEntity;
  readonly token: string;
}

@Injectable()
export class AccessTokensService {
  constructor(
    @Inject(REGISTRY_DATABASE) private readonly database: Database,
    private readonly changeLog: ChangeLog,
    private readonly accessTokens: AccessTokensRepository,
  ) {}

  /** The token itself is in the answer and nowhere else. */
  create(orgId: string, request: CreateAccessToken, principal: Principal): Promise<Written<MadeToken>> {
    refuseExcessScopes(principal, request.scopes);
    const token = makeToken();
    return this.changeLog.asTenant(orgId, async ({ manager, saved }) => {
      const parent = principal.type === 'operator' ? null : await this.parent(manager, principal);
      const row = await this.accessTokens.save(manager, {
        ...firstVersion(randomUUID()),
        orgId,
        name: request.name,
        hash: hashOf(token),
        scopes: request.scopes,
        expiresAt: expiryWithin(parent?.expiresAt ?? null, request.expiresAt),
        lastUsedAt: null,
        parentId: parent?.id ?? null,
      });
      return { row: await saved(accessTokenKind, row, null), token };
    });
  }

  list(orgId: string, query: ListAccessTokens): Promise<Page<AccessTokenEntity>> {
    return this.database.tenant(orgId, (manager) => this.accessTokens.list(manager, orgId, query));
  }

  async get(orgId: string, id: string): Promise<AccessTokenEntity> {
    const row = await this.database.tenant(orgId, (manager) => this.accessTokens.find(manager, orgId, id));
    if (row === null) throw notFound();
    return row;
  }

  /** Revokes a token and all that it made, however far down: whoever had it may have made others with it. */
  revoke(orgId: string, id: string, precondition: Precondition): Promise<Written<void>> {
    return this.changeLog.asTenant(orgId, async ({ manager, deleted }) => {
      const row = await this.accessTokens.lock(manager, orgId, id);
      if (row === null) throw notFound();
      precondition(row.version);
      for (let generation = [row]; generation.length > 0; ) {
        for (const each of generation) {
          await this.accessTokens.delete(manager, each);
          await deleted(accessTokenKind, each);
        }
        const ids = generation.map((each) => each.id);
        generation = await this.accessTokens.lockChildren(manager, orgId, ids);
      }
    });
  }

  /** The token in use; it may have been revoked since the guard let it in. */
  private async parent(manager: EntityManager, { orgId, tokenId }: AccessTokenPrincipal): Promise<AccessTokenEntity> {
    const parent = await this.accessTokens.hold(manager, sameId(orgId), sameId(tokenId));
    if (parent === null) throw new Problem(401, 'unauthorized', 'The token in use was revoked.');
    return parent;
  }
}
