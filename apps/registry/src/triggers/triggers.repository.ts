import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { newestFirst, type Page } from '../http/newest-first.js';
import { type User, USERS_SHOWN_MAX } from '../http/refuse-in-use.js';
import { TriggerEntity } from './trigger.entity.js';
import type { ListTriggers } from './triggers.schema.js';

@Injectable()
export class TriggersRepository {
  find(manager: EntityManager, orgId: string, id: string): Promise<TriggerEntity | null> {
    return manager.findOneBy(TriggerEntity, { orgId, id });
  }

  lock(manager: EntityManager, orgId: string, id: string): Promise<TriggerEntity | null> {
    return manager.findOne(TriggerEntity, { where: { orgId, id }, lock: { mode: 'pessimistic_write' } });
  }

  usersOfFunction(manager: EntityManager, orgId: string, cloudFunctionId: string): Promise<User[]> {
    return manager.find(TriggerEntity, {
      select: { id: true, name: true },
      where: { orgId, cloudFunctionId },
      order: { createdAt: 'DESC', id: 'DESC' },
      take: USERS_SHOWN_MAX,
    });
  }

  list(manager: EntityManager, orgId: string, query: ListTriggers): Promise<Page<TriggerEntity>> {
    const { name, enabled, cloudFunctionId } = query;
    const rows = manager.createQueryBuilder(TriggerEntity, 'trg').where('trg.org_id = :orgId', { orgId });
    if (name !== undefined) rows.andWhere('trg.name = :name', { name });
    if (enabled !== undefined) rows.andWhere('trg.enabled = :enabled', { enabled });
    if (cloudFunctionId !== undefined) rows.andWhere('trg.cloud_function_id = :cloudFunctionId', { cloudFunctionId });
    return newestFirst('triggers', { orgId, ...query }, rows);
  }

  save(manager: EntityManager, row: TriggerEntity): Promise<TriggerEntity> {
    return manager.save(TriggerEntity, row);
  }

  async delete(manager: EntityManager, row: TriggerEntity): Promise<void> {
    await manager.delete(TriggerEntity, { orgId: row.orgId, id: row.id });
  }
}
