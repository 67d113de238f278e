import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { newestFirst, type Page } from '../http/newest-first.js';
import { RegisteredApiEntity } from './registered-api.entity.js';
import type { ListRegisteredApis } from './registered-apis.schema.js';

@Injectable()
export class RegisteredApisRepository {
  find(manager: EntityManager, orgId: string, id: string): Promise<RegisteredApiEntity | null> {
    return manager.findOneBy(RegisteredApiEntity, { orgId, id });
  }

  lock(manager: EntityManager, orgId: string, id: string): Promise<RegisteredApiEntity | null> {
    return manager.findOne(RegisteredApiEntity, { where: { orgId, id }, lock: { mode: 'pessimistic_write' } });
  }

  /** Keeps the row from being deleted until the transaction that refers to it ends. */
  hold(manager: EntityManager, orgId: string, id: string): Promise<RegisteredApiEntity | null> {
    return manager.findOne(RegisteredApiEntity, { where: { orgId, id }, lock: { mode: 'for_key_share' } });
  }

  list(manager: EntityManager, orgId: string, query: ListRegisteredApis): Promise<Page<RegisteredApiEntity>> {
    const { name } = query;
    const rows = manager.createQueryBuilder(RegisteredApiEntity, 'api').where('api.org_id = :orgId', { orgId });
    if (name !== undefined) rows.andWhere('api.name = :name', { name });
    return newestFirst('registered-apis', { orgId, ...query }, rows);
  }

  save(manager: EntityManager, row: RegisteredApiEntity): Promise<RegisteredApiEntity> {
    return manager.save(RegisteredApiEntity, row);
  }

  async delete(manager: EntityManager, row: RegisteredApiEntity): Promise<void> {
    await manager.delete(RegisteredApiEntity, { orgId: row.orgId, id: row.id });
  }
}
