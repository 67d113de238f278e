import { Body, Controller, Get, HttpCode, Param, Post, Query, UseGuards } from '@nestjs/common';
import { sameId, uuid } from '@cf/contract';
import { AnsweredInTransaction, Idempotent } from '@cf/idempotency';
import { CurrentPrincipal, hasScope, type Principal, RegistryCache, RequireScope, TenantGuard } from '@cf/registry-cache';
import { listCursor, notFound, Operation, pageOf, parseQuery, Problem, TakesQuery, ZodPipe } from '@cf/service-kit';
import { z } from 'zod';
import type { Execution } from '../execution.js';
import { ExecutionAudit } from '../execution-audit.js';
import { refusalDetails, refuseRetry } from '../retries/check-retry.js';
import { approveTextSearch } from './approve-text-search.js';
import { executionCursor, executionsQuery } from './execution-filters.js';
import { executionAnswer, executionDetailAnswer } from './execution-answer.js';
import { ExecutionPages } from './execution-pages.repository.js';
import { type ExecutionDetail, executionDetailView, executionView } from './execution-view.js';
import { ExecutionsRepository } from './executions.repository.js';

/** A retry has nothing to say beyond its path; the place is kept for what it may say later. */
const retryBody = z.strictObject({}).optional();

const idOf = (text: string): string => {
  if (!uuid.safeParse(text).success) throw notFound('There is no such execution.');
  return sameId(text);
};

@Controller('v1/orgs/:orgId/executions')
@UseGuards(TenantGuard)
@Idempotent()
export class ExecutionsController {
  constructor(
    private readonly executions: ExecutionsRepository,
    private readonly pages: ExecutionPages,
    private readonly registry: RegistryCache,
    private readonly audit: ExecutionAudit,
  ) {}

  @Get()
  @TakesQuery(executionsQuery)
  @RequireScope('executions:read')
  @Operation({ summary: 'List executions, newest first', answer: pageOf(executionAnswer), problems: ['text_needs_range'] })
  async list(@Param('orgId') orgId: string, @Query() query: unknown, @CurrentPrincipal() principal: Principal) {
    const { limit, cursor, text = null, ...filters } = parseQuery(executionsQuery, query);
    if (text !== null) {
      await this.audit.searched(sameId(orgId), principal, approveTextSearch(filters, hasScope(principal, 'executions:reveal')));
    }
    const cursors = listCursor('executions', { orgId: sameId(orgId), text, ...filters }, executionCursor);
    const page = await this.pages.find({ orgId: sameId(orgId), filters, text, after: cursors.decode(cursor), limit });
    return { data: page.rows.map(executionView), nextCursor: page.next === null ? null : cursors.encode(page.next) };
  }

  @Get(':invocationId')
  @RequireScope('executions:read')
  @Operation({
    summary: 'Read an execution with its attempts',
    description:
      'Requests and responses of its attempts need the scope `executions:reveal`. The first 1,000 attempts are shown; `attemptsTruncated` says whether there are more.',
    answer: executionDetailAnswer,
  })
  async find(@Param('orgId') orgId: string, @Param('invocationId') invocationId: string, @CurrentPrincipal() principal: Principal) {
    const detail = await this.executions.find(sameId(orgId), idOf(invocationId));
    if (detail === null) throw notFound('There is no such execution.');
    const revealed = hasScope(principal, 'executions:reveal');
    if (revealed) await this.audit.record('execution.revealed', detail.row, principal);
    return executionDetailView(detail, revealed);
  }

  @Post(':invocationId/retries')
  @AnsweredInTransaction((detail: ExecutionDetail) => ({ headers: {}, body: executionDetailView(detail, false) }))
  @HttpCode(202)
  @RequireScope('executions:write')
  @Operation({
    summary: 'Send the invocation of a trigger again now',
    answer: executionDetailAnswer,
    example: {},
    problems: Object.keys(refusalDetails),
  })
  async retry(
    @Param('orgId') orgId: string,
    @Param('invocationId') invocationId: string,
    @Body(new ZodPipe(retryBody)) _body: unknown,
    @CurrentPrincipal() principal: Principal,
  ) {
    const detail = await this.executions.retryNow(sameId(orgId), idOf(invocationId), async (execution) => {
      this.refuse(execution);
      await this.audit.record('execution.retried', execution, principal);
    });
    if (detail === null) throw notFound('There is no such execution.');
    return executionDetailView(detail, false);
  }

  private refuse(execution: Execution): void {
    const { orgId, triggerId } = execution;
    const refusal = refuseRetry(execution, triggerId === null || this.registry.trigger(orgId, triggerId)?.enabled === true);
    if (refusal !== null) throw new Problem(409, refusal, refusalDetails[refusal]);
  }
}
