import { Controller, Inject } from '@nestjs/common';
import { type AuditEvent, auditEvents, TOKEN_USED } from '@cf/contract';
import { OnMessage } from '@cf/messaging';
import type { Database } from '@cf/persistence';
import { AccessTokensRepository } from '../access-tokens/access-tokens.repository.js';
import { REGISTRY_DATABASE } from '../database/registry-database.token.js';
import { AUDIT_GROUP } from './audit-events.group.js';
import { AuditLogRepository } from './audit-log.repository.js';

/** Stores what the services tell, each event once however often it comes. */
@Controller()
export class AuditEventsConsumer {
  constructor(
    @Inject(REGISTRY_DATABASE) private readonly database: Database,
    private readonly auditLog: AuditLogRepository,
    private readonly accessTokens: AccessTokensRepository,
  ) {}

  @OnMessage(auditEvents, AUDIT_GROUP)
  async onAuditEvent(event: AuditEvent): Promise<void> {
    await this.database.system(async (manager) => {
      // Before the chain is held: a revocation locks the token first too.
      if (event.action === TOKEN_USED && event.orgId !== null) {
        await this.accessTokens.used(manager, event.orgId, event.subject.id, new Date(event.at));
      }
      await this.auditLog.appendOnce(manager, event);
    });
  }
}
