import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Database } from '@cf/persistence';
import { notFound } from '@cf/service-kit';
import type { EntityManager } from 'typeorm';
import { ChangeLog, type Written } from '../change-log/change-log.js';
import { CloudFunctionsRepository } from '../cloud-functions/cloud-functions.repository.js';
import { REGISTRY_DATABASE } from '../database/registry-database.token.js';
import { firstVersion, nextVersion, type Stamps } from '../database/versioned-row.js';
import type { Precondition } from '../http/if-match.js';
import { invalidRequest } from '../http/invalid-request.js';
import type { Page } from '../http/newest-first.js';
import type { TriggerEntity } from './trigger.entity.js';
import { triggerKind } from './trigger.kind.js';
import { TriggersRepository } from './triggers.repository.js';
import type { ListTriggers, WriteTrigger } from './triggers.schema.js';

@Injectable()
export class TriggersService {
  constructor(
    @Inject(REGISTRY_DATABASE) private readonly database: Database,
    private readonly changeLog: ChangeLog,
    private readonly triggers: TriggersRepository,
    private readonly cloudFunctions: CloudFunctionsRepository,
  ) {}

  create(orgId: string, request: WriteTrigger): Promise<Written<TriggerEntity>> {
    return this.changeLog.asTenant(orgId, async ({ manager, saved }) => {
      const row = await this.rowOf(manager, orgId, firstVersion(randomUUID()), request);
      return saved(triggerKind, await this.triggers.save(manager, row), null);
    });
  }

  list(orgId: string, query: ListTriggers): Promise<Page<TriggerEntity>> {
    return this.database.tenant(orgId, (manager) => this.triggers.list(manager, orgId, query));
  }

  async get(orgId: string, id: string): Promise<TriggerEntity> {
    const row = await this.database.tenant(orgId, (manager) => this.triggers.find(manager, orgId, id));
    if (row === null) throw notFound();
    return row;
  }

  replace(orgId: string, id: string, request: WriteTrigger, precondition: Precondition): Promise<Written<TriggerEntity>> {
    return this.changeLog.asTenant(orgId, async ({ manager, saved }) => {
      const current = await this.triggers.lock(manager, orgId, id);
      if (current === null) throw notFound();
      precondition(current.version);
      const row = await this.rowOf(manager, orgId, nextVersion(current), request);
      return saved(triggerKind, await this.triggers.save(manager, row), current);
    });
  }

  delete(orgId: string, id: string, precondition: Precondition): Promise<Written<void>> {
    return this.changeLog.asTenant(orgId, async ({ manager, deleted }) => {
      const row = await this.triggers.lock(manager, orgId, id);
      if (row === null) throw notFound();
      precondition(row.version);
      await this.triggers.delete(manager, row);
      await deleted(triggerKind, row);
    });
  }

  private async rowOf(manager: EntityManager, orgId: string, stamps: Stamps, request: WriteTrigger): Promise<TriggerEntity> {
    const cloudFunction = await this.cloudFunctions.hold(manager, orgId, request.cloudFunctionId);
    if (cloudFunction === null) {
      throw invalidRequest([
        { pointer: '/cloudFunctionId', code: 'unknown_reference', detail: 'names no cloud function of this organization' },
      ]);
    }
    return { ...stamps, orgId, ...request, cloudFunctionId: cloudFunction.id };
  }
}
