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

  /** Asking what responses hold is a way of reading them. The text that was asked for is not written down. */
  searched(orgId: string, principal: Principal, { from, to }: { readonly from: string; readonly to: string }): Promise<void> {
    const subject = { type: 'organization', id: orgId };
    return this.trail.record({
      orgId,
      actor: actorOf(principal),
      action: 'execution.searched',
      outcome: 'done',
      subject,
      details: { from, to },
    });
  }
}
