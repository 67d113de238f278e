import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { joinEndpointUrl } from '@cf/contract';
import type { Database } from '@cf/persistence';
import { notFound, PLATFORM, type PlatformConfig } from '@cf/service-kit';
import type { EntityManager } from 'typeorm';
import { ChangeLog, type Written } from '../change-log/change-log.js';
import { REGISTRY_DATABASE } from '../database/registry-database.token.js';
import { firstVersion, nextVersion, type Stamps } from '../database/versioned-row.js';
import type { Precondition } from '../http/if-match.js';
import { invalidRequest } from '../http/invalid-request.js';
import type { Page } from '../http/newest-first.js';
import { refuseInUse } from '../http/refuse-in-use.js';
import { RegisteredApisRepository } from '../registered-apis/registered-apis.repository.js';
import { TriggersRepository } from '../triggers/triggers.repository.js';
import { sealOf } from '../sealing/seal.js';
import type { CloudFunctionEntity } from './cloud-function.entity.js';
import { cloudFunctionKind, cloudFunctionOf } from './cloud-function.kind.js';
import { CloudFunctionsRepository } from './cloud-functions.repository.js';
import type { ListCloudFunctions, WriteCloudFunction } from './cloud-functions.schema.js';
import { sealSigning } from './seal-signing.js';

@Injectable()
export class CloudFunctionsService {
  constructor(
    @Inject(REGISTRY_DATABASE) private readonly database: Database,
    @Inject(PLATFORM) private readonly platform: PlatformConfig,
    private readonly changeLog: ChangeLog,
    private readonly cloudFunctions: CloudFunctionsRepository,
    private readonly registeredApis: RegisteredApisRepository,
    private readonly triggers: TriggersRepository,
  ) {}

  create(orgId: string, request: WriteCloudFunction): Promise<Written<CloudFunctionEntity>> {
    return this.changeLog.asTenant(orgId, async ({ manager, saved }) => {
      const row = await this.rowOf(manager, orgId, firstVersion(randomUUID()), request, null);
      return saved(cloudFunctionKind, await this.cloudFunctions.save(manager, row), null);
    });
  }

  list(orgId: string, query: ListCloudFunctions): Promise<Page<CloudFunctionEntity>> {
    return this.database.tenant(orgId, (manager) => this.cloudFunctions.list(manager, orgId, query));
  }

  async get(orgId: string, id: string): Promise<CloudFunctionEntity> {
    const row = await this.database.tenant(orgId, (manager) => this.cloudFunctions.find(manager, orgId, id));
    if (row === null) throw notFound();
    return row;
  }

  replace(orgId: string, id: string, request: WriteCloudFunction, precondition: Precondition): Promise<Written<CloudFunctionEntity>> {
    return this.changeLog.asTenant(orgId, async ({ manager, saved }) => {
      const current = await this.cloudFunctions.lock(manager, orgId, id);
      if (current === null) throw notFound();
      precondition(current.version);
      const row = await this.rowOf(manager, orgId, nextVersion(current), request, current);
      return saved(cloudFunctionKind, await this.cloudFunctions.save(manager, row), current);
    });
  }

  /** Idempotent: a function that waits already, or runs already, keeps its version. */
  pauseTriggers(orgId: string, id: string, triggersPaused: boolean): Promise<Written<CloudFunctionEntity>> {
    return this.change(orgId, id, (current) => (current.triggersPaused === triggersPaused ? null : { triggersPaused }));
  }

  resetCircuit(orgId: string, id: string): Promise<Written<CloudFunctionEntity>> {
    return this.change(orgId, id, () => ({ circuitResetAt: new Date() }));
  }

  private change(
    orgId: string,
    id: string,
    changeOf: (current: CloudFunctionEntity) => Partial<CloudFunctionEntity> | null,
  ): Promise<Written<CloudFunctionEntity>> {
    return this.changeLog.asTenant(orgId, async ({ manager, saved }) => {
      const current = await this.cloudFunctions.lock(manager, orgId, id);
      if (current === null) throw notFound();
      const change = changeOf(current);
      if (change === null) return current;
      const row = { ...current, ...nextVersion(current), ...change };
      return saved(cloudFunctionKind, await this.cloudFunctions.save(manager, row), current);
    });
  }

  delete(orgId: string, id: string, precondition: Precondition): Promise<Written<void>> {
    return this.changeLog.asTenant(orgId, async ({ manager, deleted }) => {
      const row = await this.cloudFunctions.lock(manager, orgId, id);
      if (row === null) throw notFound();
      precondition(row.version);
      refuseInUse(await this.triggers.usersOfFunction(manager, orgId, id), 'triggers');
      await this.cloudFunctions.delete(manager, row);
      await deleted(cloudFunctionKind, row);
    });
  }

  private async rowOf(
    manager: EntityManager,
    orgId: string,
    stamps: Stamps,
    request: WriteCloudFunction,
    current: CloudFunctionEntity | null,
  ): Promise<CloudFunctionEntity> {
    const { signing: requested, ...fields } = request;
    const api = await this.registeredApis.hold(manager, orgId, request.registeredApiId);
    if (api === null)
      throw invalidRequest([
        { pointer: '/registeredApiId', code: 'unknown_reference', detail: 'names no Registered API of this organization' },
      ]);
    const joined = joinEndpointUrl(api.baseUrl, request.endpointUrl);
    if (!joined.ok) throw invalidRequest([{ pointer: '/endpointUrl', code: joined.code, detail: joined.detail }]);
    const seal = sealOf(this.platform.keyRing, orgId, stamps.id);
    const sealed = sealSigning(requested, current === null ? null : cloudFunctionOf(current).signing, seal, stamps.updatedAt.getTime());
    if (!sealed.ok) throw invalidRequest(sealed.errors);
    const { triggersPaused = false, circuitResetAt = null } = current ?? {};
    return { ...stamps, orgId, ...fields, registeredApiId: api.id, signing: sealed.signing, triggersPaused, circuitResetAt };
  }
}
