import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { newestFirst, type Page } from '../http/newest-first.js';
import { OrganizationEntity } from './organization.entity.js';
import type { ListOrganizations } from './organizations.schema.js';

@Injectable()
export class OrganizationsRepository {
  find(manager: EntityManager, id: string): Promise<OrganizationEntity | null> {
    return manager.findOneBy(OrganizationEntity, { id });
  }

  lock(manager: EntityManager, id: string): Promise<OrganizationEntity | null> {
    return manager.findOne(OrganizationEntity, { where: { id }, lock: { mode: 'pessimistic_write' } });
  }

  list(manager: EntityManager, query: ListOrganizations): Promise<Page<OrganizationEntity>> {
    const { name } = query;
    const rows = manager.createQueryBuilder(OrganizationEntity, 'organization');
    if (name !== undefined) rows.andWhere('organization.name = :name', { name });
    return newestFirst('organizations', query, rows);
  }

  save(manager: EntityManager, row: OrganizationEntity): Promise<OrganizationEntity> {
    return manager.save(OrganizationEntity, row);
  }
}
