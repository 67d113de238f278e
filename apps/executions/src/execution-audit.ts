import { Injectable } from '@nestjs/common';
import { actorOf, type Principal } from '@cf/registry-cache';
import { AuditTrail } from '@cf/service-kit';
import type { Execution } from './execution.js';

/** What people do to executions, told before it takes effect: in the transaction, or before the answer leaves. */
@Injectable()
export class ExecutionAudit {
  constructor(private readonly trail: AuditTrail) {}

  record(
    action: 'execution.revealed' | 'execution.retried' | 'execution.cancelled',
    { orgId, invocationId }: Pick<Execution, 'orgId' | 'invocationId'>,
    principal: Principal,
  ): Promise<void> {
    const subject = { type: 'execution', id: invocationId };
    return this.trail.record({ orgId, actor: actorOf(principal), action, outcome: 'done', subject, details: {} });
  }
}
