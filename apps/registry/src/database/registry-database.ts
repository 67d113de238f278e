import { Inject, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { createDatabase, type Database } from '@cf/persistence';
import { gaugeDatabase, Health, Metrics, PLATFORM, type PlatformConfig } from '@cf/service-kit';
import { AccessTokenEntity } from '../access-tokens/access-token.entity.js';
import { ChangeEntity } from '../change-log/change.entity.js';
import { CloudFunctionEntity } from '../cloud-functions/cloud-function.entity.js';
import { OrganizationEntity } from '../organizations/organization.entity.js';
import { RegisteredApiEntity } from '../registered-apis/registered-api.entity.js';
import { TriggerEntity } from '../triggers/trigger.entity.js';
import { refuseMissingKeys } from './keys-in-use.js';
import { CreateIdempotencyKeys1764220000001 } from './migrations/create-idempotency-keys-1764220000001.js';
import { NoteParentTokens1764230000001 } from './migrations/note-parent-tokens-1764230000001.js';
import { CreateRegistry1700000000001 } from './migrations/create-registry-1700000000001.js';
import { CreateAuditLog1764210000001 } from './migrations/create-audit-log-1764210000001.js';
import { ExtendRegistry1764200000001 } from './migrations/extend-registry-1764200000001.js';
import { REGISTRY_DATABASE } from './registry-database.token.js';

const openRegistryDatabase = (platform: PlatformConfig, health: Health, metrics: Metrics): Database => {
  const database = createDatabase({
    url: platform.databaseUrl,
    schema: 'registry',
    entities: [OrganizationEntity, AccessTokenEntity, RegisteredApiEntity, CloudFunctionEntity, TriggerEntity, ChangeEntity],
    migrations: [
      CreateRegistry1700000000001,
      ExtendRegistry1764200000001,
      CreateAuditLog1764210000001,
      CreateIdempotencyKeys1764220000001,
      NoteParentTokens1764230000001,
    ],
    name: 'registry',
  });
  health.register('registry-database', () => database.status());
  gaugeDatabase(metrics, 'registry', database);
  return database;
};

/** A module of its own: Nest starts it before the module that imports it, and stops it after. */
@Module({
  providers: [{ provide: REGISTRY_DATABASE, useFactory: openRegistryDatabase, inject: [PLATFORM, Health, Metrics] }],
  exports: [REGISTRY_DATABASE],
})
export class RegistryDatabaseModule implements OnModuleInit, OnApplicationShutdown {
  constructor(
    @Inject(REGISTRY_DATABASE) private readonly database: Database,
    @Inject(PLATFORM) private readonly platform: PlatformConfig,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.database.start();
    try {
      await refuseMissingKeys(this.database, this.platform.keyRing);
    } catch (error) {
      await this.database.stop();
      throw error;
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.database.stop();
  }
}
