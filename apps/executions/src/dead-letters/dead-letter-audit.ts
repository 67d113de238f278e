import { Injectable } from '@nestjs/common';
import { actorOf, type Principal, RegistryCache } from '@cf/registry-cache';
import { AuditTrail } from '@cf/service-kit';
import type { WholeDeadLetter } from './dead-letter-view.js';
import { organizationOf } from './organization-of-letter.js';

/** What people do to dead letters, told before it takes effect, to the organization that a letter names if there is one. */
@Injectable()
export class DeadLetterAudit {
  constructor(
    private readonly trail: AuditTrail,
    private readonly registry: RegistryCache,
  ) {}

  record(action: 'dead-letter.revealed' | 'dead-letter.resent', letter: WholeDeadLetter, principal: Principal): Promise<void> {
    const { id, topic, reason } = letter;
    const named = organizationOf(letter);
    const orgId = named !== null && this.registry.organization(named) !== undefined ? named : null;
    const subject = { type: 'dead-letter', id };
    return this.trail.record({ orgId, actor: actorOf(principal), action, outcome: 'done', subject, details: { topic, reason } });
  }
}
