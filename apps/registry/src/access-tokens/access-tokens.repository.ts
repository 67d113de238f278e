import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
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

  list(manager: EntityManager, orgId: string, { name, ...page }: ListAccessTokens): Promise<Page<AccessTokenEntity>> {
    const rows = manager.createQueryBuilder(AccessTokenEntity, 'token').where('token.org_id = :orgId', { orgId });
    if (name !== undefined) rows.andWhere('token.name = :name', { name });
    return newestFirst(rows, page);
  }

  save(manager: EntityManager, row: AccessTokenEntity): Promise<AccessTokenEntity> {
    return manager.save(AccessTokenEntity, row);
  }

  async delete(manager: EntityManager, row: AccessTokenEntity): Promise<void> {
    await manager.delete(AccessTokenEntity, { orgId: row.orgId, id: row.id });
  }
}
