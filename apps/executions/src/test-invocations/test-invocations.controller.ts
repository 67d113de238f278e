import { randomUUID } from 'node:crypto';
import { Body, Controller, HttpCode, Param, Post, Req, Res, UseGuards } from '@nestjs/common';
import { CHAT_EVENT_BYTES_MAX, type InvocationRequest, sameId } from '@cf/contract';
import { Idempotent } from '@cf/idempotency';
import { CurrentPrincipal, hasScope, type Principal, RequireScope, TenantGuard } from '@cf/registry-cache';
import { notFound, Operation, Problem, ZodPipe } from '@cf/service-kit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ExecutionAudit } from '../execution-audit.js';
import { eventOfTest, planStepTest, planTriggerTest, type SentEvent, type TestPlace } from './plan-test.js';
import { RecordedEventsRepository } from './recorded-events.repository.js';
import { testAnswer } from './test-answer.js';
import { TestCalls } from './test-calls.js';
import { type TestRequest, testRequest } from './test-request.js';

const foreignEvent = (): Problem => {
  const error = { pointer: '/event/orgId', code: 'other_organization', detail: 'must be the organization of the path' };
  return new Problem(400, 'invalid_event', 'The event belongs to another organization.', [error]);
};

/** An event that a chat brought may hold health data, and is sent to an endpoint that the caller may choose. */
const refuseReveal = (principal: Principal): void => {
  for (const scope of ['executions:read', 'executions:reveal'] as const)
    if (!hasScope(principal, scope)) throw new Problem(403, 'missing_scope', `The event of an execution needs the scope ${scope}.`);
};

@Controller('v1/orgs/:orgId/cloud-functions/:cloudFunctionId/test-invocations')
@UseGuards(TenantGuard)
@Idempotent()
export class TestInvocationsController {
  constructor(
    private readonly calls: TestCalls,
    private readonly events: RecordedEventsRepository,
    private readonly audit: ExecutionAudit,
  ) {}

  @Post()
  @HttpCode(200)
  @RequireScope('cloud-functions:write')
  @Operation({
    summary: 'Test a cloud function',
    description:
      'Calls it once, by the path that steps and triggers take, with a sample step, a sample or pasted event, or the event of an execution. ' +
      'Answers the exchange, what would have followed, and hints; 202 when it has not ended within the function’s timeout and 5 s. ' +
      'The event of an execution needs the scopes `executions:read` and `executions:reveal` too, since it goes to an endpoint that the caller may ' +
      'choose: it is audited as a reveal of that execution, and its exchange is hidden.',
    answer: testAnswer,
    otherAnswers: { 202: testAnswer },
    example: { kind: 'step', saveValueToAttribute: 'AppointmentState', failureBranch: true },
    problems: ['invalid_event', 'event_too_large', 'log_unavailable', 'too_busy', 'too_many_requests'],
  })
  async test(
    @Param('orgId') orgId: string,
    @Param('cloudFunctionId') cloudFunctionId: string,
    @Body(new ZodPipe(testRequest)) wanted: TestRequest,
    @CurrentPrincipal() principal: Principal,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const isOwn = wanted.kind === 'step' || wanted.eventId === undefined;
    if (!isOwn) refuseReveal(principal);
    const { cloudFunction, configOffset } = await this.calls.functionOf(orgId, cloudFunctionId);
    const place = { orgId: sameId(orgId), cloudFunctionId: cloudFunction.id, configOffset, nowMs: Date.now(), newId: randomUUID };
    return this.calls.call(await this.plan(wanted, place, principal), { cloudFunction, isOwn, principal, request, reply });
  }

  private async plan(wanted: TestRequest, place: TestPlace, principal: Principal): Promise<InvocationRequest> {
    if (wanted.kind === 'step') return planStepTest(place, wanted);
    const owner = wanted.event?.['orgId'];
    if (typeof owner === 'string' && sameId(owner) !== place.orgId) throw foreignEvent();
    const sent = eventOfTest(wanted, place) ?? (await this.reveal(place.orgId, wanted.eventId ?? '', principal));
    if (Buffer.byteLength(sent.body) > CHAT_EVENT_BYTES_MAX) throw new Problem(413, 'event_too_large', 'An event may have 256 KiB.');
    return planTriggerTest(place, sent);
  }
  private async reveal(orgId: string, eventId: string, principal: Principal): Promise<SentEvent> {
    const recorded = await this.events.find(orgId, eventId);
    if (recorded === null) throw notFound('No execution keeps this event whole.');
    await this.audit.record('execution.revealed', { orgId, invocationId: recorded.invocationId }, principal);
    return recorded;
  }
}
