import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Database } from '@cf/persistence';
import { notFound, PLATFORM, type PlatformConfig, Problem } from '@cf/service-kit';
import { ChangeLog, type Written } from '../change-log/change-log.js';
import { CloudFunctionsRepository } from '../cloud-functions/cloud-functions.repository.js';
import { REGISTRY_DATABASE } from '../database/registry-database.token.js';
import { firstVersion, nextVersion, type Stamps } from '../database/versioned-row.js';
import type { Precondition } from '../http/if-match.js';
import { invalidRequest } from '../http/invalid-request.js';
import type { Page } from '../http/newest-first.js';
import { refuseInUse } from '../http/refuse-in-use.js';
import { NAME_CHARS_MAX } from '../http/text.schema.js';
import { sealOf } from '../sealing/seal.js';
import { mapSecrets } from './map-secrets.js';
import type { RegisteredApiEntity } from './registered-api.entity.js';
import { registeredApiKind } from './registered-api.kind.js';
import { RegisteredApisRepository } from './registered-apis.repository.js';
import type { CopyRegisteredApi, ListRegisteredApis, WriteRegisteredApi } from './registered-apis.schema.js';
import { sealSecrets } from './seal-secrets.js';
import { refuseBaseUrl, refuseTokenUrl } from './url-rules.js';

@Injectable()
export class RegisteredApisService {
  constructor(
    @Inject(REGISTRY_DATABASE) private readonly database: Database,
    @Inject(PLATFORM) private readonly platform: PlatformConfig,
    private readonly changeLog: ChangeLog,
    private readonly registeredApis: RegisteredApisRepository,
    private readonly cloudFunctions: CloudFunctionsRepository,
  ) {}

  create(orgId: string, request: WriteRegisteredApi): Promise<Written<RegisteredApiEntity>> {
    const row = this.rowOf(orgId, firstVersion(randomUUID()), request, null);
    return this.changeLog.asTenant(orgId, async ({ manager, saved }) =>
      saved(registeredApiKind, await this.registeredApis.save(manager, row), null),
    );
  }

  list(orgId: string, query: ListRegisteredApis): Promise<Page<RegisteredApiEntity>> {
    return this.database.tenant(orgId, (manager) => this.registeredApis.list(manager, orgId, query));
  }

  async get(orgId: string, id: string): Promise<RegisteredApiEntity> {
    const row = await this.database.tenant(orgId, (manager) => this.registeredApis.find(manager, orgId, id));
    if (row === null) throw notFound();
    return row;
  }

  replace(orgId: string, id: string, request: WriteRegisteredApi, precondition: Precondition): Promise<Written<RegisteredApiEntity>> {
    return this.changeLog.asTenant(orgId, async ({ manager, saved }) => {
      const current = await this.registeredApis.lock(manager, orgId, id);
      if (current === null) throw notFound();
      precondition(current.version);
      if (current.isReadOnly)
        throw new Problem(
          409,
          'locked',
          'It was saved as read-only: no field can be edited any more. It may be copied, or deleted when unused.',
        );
      const row = this.rowOf(orgId, nextVersion(current), request, current);
      return saved(registeredApiKind, await this.registeredApis.save(manager, row), current);
    });
  }

  /** Secrets are bound to their resource, so a copy's are sealed anew. */
  copy(orgId: string, id: string, request: CopyRegisteredApi): Promise<Written<RegisteredApiEntity>> {
    return this.changeLog.asTenant(orgId, async ({ manager, saved }) => {
      const original = await this.registeredApis.find(manager, orgId, id);
      if (original === null) throw notFound();
      const stamps = firstVersion(randomUUID());
      const { open } = sealOf(this.platform.keyRing, orgId, id);
      const { seal } = sealOf(this.platform.keyRing, orgId, stamps.id);
      const name = request?.name ?? `Copy of ${original.name}`.slice(0, NAME_CHARS_MAX).replace(/\p{Cs}$/u, '');
      const row = { ...original, ...stamps, ...mapSecrets(original, (sealed) => seal(open(sealed))), name, isReadOnly: false };
      return saved(registeredApiKind, await this.registeredApis.save(manager, row), null);
    });
  }

  delete(orgId: string, id: string, precondition: Precondition): Promise<Written<void>> {
    return this.changeLog.asTenant(orgId, async ({ manager, deleted }) => {
      const row = await this.registeredApis.lock(manager, orgId, id);
      if (row === null) throw notFound();
      precondition(row.version);
      refuseInUse(await this.cloudFunctions.usersOfApi(manager, orgId, id), 'cloud-functions');
      await this.registeredApis.delete(manager, row);
      await deleted(registeredApiKind, row);
    });
  }

  private rowOf(orgId: string, stamps: Stamps, request: WriteRegisteredApi, current: RegisteredApiEntity | null): RegisteredApiEntity {
    this.refuseUrls(request);
    const secrets = sealSecrets(request, current, sealOf(this.platform.keyRing, orgId, stamps.id));
    if (!secrets.ok) throw invalidRequest(secrets.errors);
    const { name, baseUrl, isReadOnly } = request;
    return { ...stamps, orgId, name, baseUrl, isReadOnly, ...secrets.sealed };
  }

  private refuseUrls({ baseUrl, authorization }: WriteRegisteredApi): void {
    const refusals = [
      { pointer: '/baseUrl', refusal: refuseBaseUrl(baseUrl, this.platform) },
      ...(authorization.type === 'OAuth'
        ? [{ pointer: '/authorization/accessTokenUrl', refusal: refuseTokenUrl(authorization.accessTokenUrl, this.platform) }]
        : []),
    ];
    const errors = refusals.flatMap(({ pointer, refusal }) => (refusal === null ? [] : [{ pointer, ...refusal }]));
    if (errors.length > 0) throw invalidRequest(errors);
  }
}
