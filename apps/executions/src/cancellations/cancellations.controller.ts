import { Body, Controller, HttpCode, Param, Post, UseGuards } from '@nestjs/common';
import { sameId, uuid } from '@cf/contract';
import { Idempotent } from '@cf/idempotency';
import { CurrentPrincipal, type Principal, RequireScope, TenantGuard } from '@cf/registry-cache';
import { notFound, Operation, Problem, ZodPipe } from '@cf/service-kit';
import { z } from 'zod';
import { ExecutionAudit } from '../execution-audit.js';
import { executionDetailAnswer } from '../query/execution-answer.js';
import { executionDetailView } from '../query/execution-view.js';
import { ExecutionsRepository } from '../query/executions.repository.js';
import { CancellationsRepository } from './cancellations.repository.js';
import { cancellationRefusals, refuseCancellation } from './check-cancellation.js';

/** A cancellation has nothing to say beyond its path; the place is kept for what it may say later. */
const cancellationBody = z.strictObject({}).optional();

@Controller('v1/orgs/:orgId/executions/:invocationId/cancellation')
@UseGuards(TenantGuard)
@Idempotent()
export class CancellationsController {
  constructor(
    private readonly cancellations: CancellationsRepository,
    private readonly executions: ExecutionsRepository,
    private readonly audit: ExecutionAudit,
  ) {}

  @Post()
  @HttpCode(200)
  @RequireScope('executions:write')
  @Operation({
    summary: 'Cancel an execution that waits',
    answer: executionDetailAnswer,
    example: {},
    problems: Object.keys(cancellationRefusals),
  })
  async cancel(
    @Param('orgId') orgId: string,
    @Param('invocationId') invocationId: string,
    @Body(new ZodPipe(cancellationBody)) _body: unknown,
    @CurrentPrincipal() principal: Principal,
  ) {
    if (!uuid.safeParse(invocationId).success) throw notFound('There is no such execution.');
    const found = await this.cancellations.cancel(sameId(orgId), sameId(invocationId), async (execution, waiting) => {
      const refusal = refuseCancellation(execution, waiting);
      if (refusal !== null) throw new Problem(409, refusal, cancellationRefusals[refusal]);
      await this.audit.record('execution.cancelled', execution, principal);
    });
    const detail = found ? await this.executions.find(sameId(orgId), sameId(invocationId)) : null;
    if (detail === null) throw notFound('There is no such execution.');
    return executionDetailView(detail, false);
  }
}
