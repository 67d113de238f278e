import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Database } from '@cf/persistence';
import { notFound } from '@cf/service-kit';
import { ChangeLog, type Written } from '../change-log/change-log.js';
import { REGISTRY_DATABASE } from '../database/registry-database.token.js';
import { firstVersion, nextVersion } from '../database/versioned-row.js';
import type { Precondition } from '../http/if-match.js';
import type { Page } from '../http/newest-first.js';
import type { OrganizationEntity } from './organization.entity.js';
import { organizationKind } from './organization.kind.js';
import { OrganizationsRepository } from './organizations.repository.js';
import type { CreateOrganization, ListOrganizations, PatchOrganization } from './organizations.schema.js';

@Injectable()
export class OrganizationsService {
  constructor(
    @Inject(REGISTRY_DATABASE) private readonly database: Database,
    private readonly changeLog: ChangeLog,
    private readonly organizations: OrganizationsRepository,
  ) {}

  create(request: CreateOrganization): Promise<Written<OrganizationEntity>> {
    return this.changeLog.asSystem(async ({ manager, saved }) => {
      const row = await this.organizations.save(manager, { ...firstVersion(randomUUID()), ...request });
      return saved(organizationKind, row, null);
    });
  }

  list(query: ListOrganizations): Promise<Page<OrganizationEntity>> {
    return this.database.system((manager) => this.organizations.list(manager, query));
  }

  async get(id: string): Promise<OrganizationEntity> {
    const row = await this.database.system((manager) => this.organizations.find(manager, id));
    if (row === null) throw notFound();
    return row;
  }

  patch(id: string, request: PatchOrganization, precondition: Precondition): Promise<Written<OrganizationEntity>> {
    return this.changeLog.asSystem(async ({ manager, saved }) => {
      const current = await this.organizations.lock(manager, id);
      if (current === null) throw notFound();
      precondition(current.version);
      const row = await this.organizations.save(manager, {
        ...nextVersion(current),
        name: request.name ?? current.name,
        cloudFunctionsEnabled: request.cloudFunctionsEnabled ?? current.cloudFunctionsEnabled,
        retentionDays: request.retentionDays ?? current.retentionDays,
      });
      return saved(organizationKind, row, current);
    });
  }
}
