import { Module } from '@nestjs/common';
import { idempotencyKeysIn } from '@cf/idempotency';
import { RegistryCacheModule } from '@cf/registry-cache';
import { readConfig } from '@cf/service-kit';
import { AccessTokensController } from './access-tokens/access-tokens.controller.js';
import { AccessTokensRepository } from './access-tokens/access-tokens.repository.js';
import { AccessTokensService } from './access-tokens/access-tokens.service.js';
import { AuditEventsConsumer } from './audit-log/audit-events.consumer.js';
import { AuditEventsGroup } from './audit-log/audit-events.group.js';
import { AuditLogController, OperatorsAuditLogController } from './audit-log/audit-log.controller.js';
import { AuditLogRepository } from './audit-log/audit-log.repository.js';
import { AuditLogService } from './audit-log/audit-log.service.js';
import { Acknowledgements } from './change-log/acknowledgements.js';
import { ChangeLog } from './change-log/change-log.js';
import { ChangeLogRelay } from './change-log/change-log.relay.js';
import { PublishChanges } from './change-log/publish-changes.js';
import { TopicReconciler } from './change-log/topic-reconciler.js';
import { CloudFunctionsController } from './cloud-functions/cloud-functions.controller.js';
import { CloudFunctionsRepository } from './cloud-functions/cloud-functions.repository.js';
import { CloudFunctionsService } from './cloud-functions/cloud-functions.service.js';
import { RegistryDatabaseModule } from './database/registry-database.js';
import { REGISTRY_DATABASE } from './database/registry-database.token.js';
import { EventCatalogController } from './event-catalog/event-catalog.controller.js';
import { KeyRotationsController } from './key-rotation/key-rotations.controller.js';
import { RotateKeys } from './key-rotation/key-rotation.js';
import { OrganizationsController } from './organizations/organizations.controller.js';
import { OrganizationsRepository } from './organizations/organizations.repository.js';
import { OrganizationsService } from './organizations/organizations.service.js';
import { RegisteredApisController } from './registered-apis/registered-apis.controller.js';
import { RegisteredApisRepository } from './registered-apis/registered-apis.repository.js';
import { RegisteredApisService } from './registered-apis/registered-apis.service.js';
import { REGISTRY_CONFIG, registryConfigSchema } from './registry.config.js';
import { TriggersController } from './triggers/triggers.controller.js';
import { TriggersRepository } from './triggers/triggers.repository.js';
import { TriggersService } from './triggers/triggers.service.js';

/** HTTP writes go into tables and the change log in one transaction; the relay takes the change log to the registry topics. */
@Module({
  imports: [RegistryDatabaseModule, RegistryCacheModule.forRoot({ triggers: false })],
  controllers: [
    OrganizationsController,
    AccessTokensController,
    RegisteredApisController,
    CloudFunctionsController,
    TriggersController,
    EventCatalogController,
    KeyRotationsController,
    ...[AuditLogController, OperatorsAuditLogController, AuditEventsConsumer],
  ],
  providers: [
    { provide: REGISTRY_CONFIG, useFactory: () => readConfig(registryConfigSchema) },
    idempotencyKeysIn(REGISTRY_DATABASE),
    ...[OrganizationsService, OrganizationsRepository],
    ...[AccessTokensService, AccessTokensRepository],
    ...[RegisteredApisService, RegisteredApisRepository],
    ...[CloudFunctionsService, CloudFunctionsRepository],
    ...[TriggersService, TriggersRepository],
    RotateKeys,
    ...[AuditLogService, AuditLogRepository, AuditEventsGroup],
    ...[ChangeLog, Acknowledgements, ChangeLogRelay, PublishChanges, TopicReconciler],
  ],
})
export class RegistryModule {}
