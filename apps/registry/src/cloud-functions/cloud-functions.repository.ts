import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { newestFirst, type Page } from '../http/newest-first.js';
import { type User, USERS_SHOWN_MAX } from '../http/refuse-in-use.js';
import { CloudFunctionEntity } from './cloud-function.entity.js';
import type { ListCloudFunctions } from './cloud-functions.schema.js';

@Injectable()
export class CloudFunctionsRepository {
  find(manager: EntityManager, orgId: string, id: string): Promise<CloudFunctionEntity | null> {
    return manager.findOneBy(CloudFunctionEntity, { orgId, id });
  }

  lock(manager: EntityManager, orgId: string, id: string): Promise<CloudFunctionEntity | null> {
    return manager.findOne(CloudFunctionEntity, { where: { orgId, id }, lock: { mode: 'pessimistic_write' } });
  }

  /** Keeps the row from being deleted until the transaction that refers to it ends. */
  hold(manager: EntityManager, orgId: string, id: string): Promise<CloudFunctionEntity | null> {
    return manager.findOne(CloudFunctionEntity, { where: { orgId, id }, lock: { mode: 'for_key_share' } });
  }

  usersOfApi(manager: EntityManager, orgId: string, registeredApiId: string): Promise<User[]> {
    return manager.find(CloudFunctionEntity, {
      select: { id: true, name: true },
      where: { orgId, registeredApiId },
      order: { createdAt: 'DESC', id: 'DESC' },
      take: USERS_SHOWN_MAX,
    });
  }

  list(manager: EntityManager, orgId: string, query: ListCloudFunctions): Promise<Page<CloudFunctionEntity>> {
    const { name, enabled, registeredApiId } = query;
    const rows = manager.createQueryBuilder(CloudFunctionEntity, 'fn').where('fn.org_id = :orgId', { orgId });
    if (name !== undefined) rows.andWhere('fn.name = :name', { name });
    if (enabled !== undefined) rows.andWhere('fn.enabled = :enabled', { enabled });
    if (registeredApiId !== undefined) rows.andWhere('fn.registered_api_id = :registeredApiId', { registeredApiId });
    return newestFirst('cloud-functions', { orgId, ...query }, rows);
  }

  save(manager: EntityManager, row: CloudFunctionEntity): Promise<CloudFunctionEntity> {
    return manager.save(CloudFunctionEntity, row);
  }

  async delete(manager: EntityManager, row: CloudFunctionEntity): Promise<void> {
    await manager.delete(CloudFunctionEntity, { orgId: row.orgId, id: row.id });
  }
}
