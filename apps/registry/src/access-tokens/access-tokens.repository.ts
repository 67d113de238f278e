import { Injectable } from '@nestjs/common';
import { type EntityManager, In } from 'typeorm';
import { newestFirst, type Page } from '../http/newest-first.js';
import { AccessTokenEntity } from './access-token.entity.js';
import type { ListAccessTokens } from './access-tokens.schema.js';

@Injectable()
export class AccessTokensRepository {
  find(manager: EntityManager, orgId: string, id: string): Promise<AccessTokenEntity | null> {
    return manager.findOneBy(AccessTokenEntity, { orgId, id });
  }

  lock(manager: EntityManager, orgId: string, id: string): Promise<AccessTokenEntity | null> {
    return manager.findOne(AccessTokenEntity, { where: { orgId, id }, lock: { mode: 'pessimistic_write' } });
  }

  /** Keeps a token from being revoked until the transaction ends. */
  hold(manager: EntityManager, orgId: string, id: string): Promise<AccessTokenEntity | null> {
    return manager.findOne(AccessTokenEntity, { where: { orgId, id }, lock: { mode: 'pessimistic_read' } });
  }

  /** The tokens that these ones made. */
  lockChildren(manager: EntityManager, orgId: string, parentIds: readonly string[]): Promise<AccessTokenEntity[]> {
    return manager.find(AccessTokenEntity, { where: { orgId, parentId: In(parentIds) }, lock: { mode: 'pessimistic_write' } });
  }

  list(manager: EntityManager, orgId: string, query: ListAccessTokens): Promise<Page<AccessTokenEntity>> {
    const { name } = query;
    const rows = manager.createQueryBuilder(AccessTokenEntity, 'token').where('token.org_id = :orgId', { orgId });
    if (name !== undefined) rows.andWhere('token.name = :name', { name });
    return newestFirst('access-tokens', { orgId, ...query }, rows);
  }

  save(manager: EntityManager, row: AccessTokenEntity): Promise<AccessTokenEntity> {
    return manager.save(AccessTokenEntity, row);
  }

  /** Uses are told late and more than once; the latest one counts. The version stays: nothing that travels changes. */
  async used(manager: EntityManager, orgId: string, id: string, at: Date): Promise<void> {
    await manager.query(
      `UPDATE registry.access_tokens SET last_used_at = $3
        WHERE org_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $3)`,
      [orgId, id, at],
    );
  }

  async delete(manager: EntityManager, row: AccessTokenEntity): Promise<void> {
    await manager.delete(AccessTokenEntity, { orgId: row.orgId, id: row.id });
  }
}
