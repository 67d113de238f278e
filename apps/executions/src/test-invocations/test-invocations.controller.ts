import { randomUUID } from 'node:crypto';
import { Body, Controller, HttpCode, Param, Post, Req, Res, UseGuards } from '@nestjs/common';
import { CHAT_EVENT_BYTES_MAX, type CloudFunction, type InvocationRequest, messageHeader, sameId, uuid } from '@cf/contract';
import { Idempotent } from '@cf/idempotency';
import { actorOf, CurrentPrincipal, hasScope, type Principal, RegistryCache, RequireScope, TenantGuard } from '@cf/registry-cache';
import { AuditTrail, notFound, Operation, Problem, ZodPipe } from '@cf/service-kit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { executionDetailView } from '../query/execution-view.js';
import { giveHints } from './give-hints.js';
import { judgeTest } from './judge-test.js';
import { eventOfTest, planStepTest, planTriggerTest, type TestPlace } from './plan-test.js';
import { RecordedEventsRepository } from './recorded-events.repository.js';
import { TestRunner } from './run-test.js';
import { testAnswer } from './test-answer.js';
import { type TestRequest, testRequest } from './test-request.js';

const late = { code: 'not_finished', detail: 'it has not ended yet: ask for the execution' };

const foreignEvent = (): Problem => {
  const error = { pointer: '/event/orgId', code: 'other_organization', detail: 'must be the organization of the path' };
  return new Problem(400, 'invalid_event', 'The event belongs to another organization.', [error]);
};

@Controller('v1/orgs/:orgId/cloud-functions/:cloudFunctionId/test-invocations')
@UseGuards(TenantGuard)
@Idempotent()
export class TestInvocationsController {
  constructor(
    private readonly registry: RegistryCache,
    private readonly events: RecordedEventsRepository,
    private readonly runner: TestRunner,
    private readonly audit: AuditTrail,
  ) {}

  @Post()
  @HttpCode(200)
  @RequireScope('cloud-functions:write')
  @Operation({
    summary: 'Test a cloud function',
    description:
      'Calls it once, by the path that steps and triggers take, with a sample step, a sample or pasted event, or the event of an execution. ' +
      'Answers the exchange, what would have followed, and hints; 202 when it has not ended within the function’s timeout and 5 s. ' +
      'The event of an execution needs the scope `executions:read` too, and its exchange is hidden.',
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
    // What an execution recorded is sent to an endpoint that the caller may choose.
    if (wanted.kind === 'trigger' && wanted.eventId !== undefined && !hasScope(principal, 'executions:read')) {
      throw new Problem(403, 'missing_scope', 'The event of an execution needs the scope executions:read.');
    }
    const { cloudFunction, configOffset } = await this.functionOf(orgId, cloudFunctionId);
    const place = { orgId: sameId(orgId), cloudFunctionId: cloudFunction.id, configOffset, nowMs: Date.now(), newId: randomUUID };
    const invocation = await this.plan(wanted, place);
    const { invocationId, kind } = invocation;
    await this.audit.record({
      orgId: sameId(orgId),
      actor: actorOf(principal),
      action: 'cloud-function.tested',
      outcome: 'done',
      subject: { type: 'cloud-function', id: cloudFunction.id },
      details: { kind, invocationId },
    });
    const traceparent = request.headers[messageHeader.traceparent];
    const ended = await this.runner.run(invocation, cloudFunction.timeoutMs, typeof traceparent === 'string' ? traceparent : undefined);
    if (ended === null) {
      reply.status(202).header('location', `/v1/orgs/${orgId}/executions/${invocationId}`);
      return { invocationId, execution: null, result: null, hints: [late] };
    }
    // An event that a chat brought may hold health data: whoever may see it asks for the execution, and that is audited.
    const isOwn = wanted.kind === 'step' || wanted.eventId === undefined;
    const { branchOptions, timeoutMs } = cloudFunction;
    const result = judgeTest(ended.row, branchOptions);
    const last = ended.attempts.at(-1) ?? null;
    const exchange = isOwn || last === null ? last : { ...last, responseHeaders: null, responseBody: null };
    const hints = giveHints({ result, exchange, timeoutMs, branchOptions });
    return { invocationId, execution: executionDetailView(ended, isOwn), result, hints };
  }

  private async functionOf(orgId: string, id: string): Promise<{ cloudFunction: CloudFunction; configOffset: number }> {
    // What was saved a moment ago is tested, here and in the invoker.
    const configOffset = await this.registry.caughtUp();
    const cloudFunction = uuid.safeParse(id).success ? this.registry.cloudFunction(orgId, id) : undefined;
    if (cloudFunction === undefined) throw notFound('There is no such cloud function.');
    return { cloudFunction, configOffset };
  }

  private async plan(wanted: TestRequest, place: TestPlace): Promise<InvocationRequest> {
    if (wanted.kind === 'step') return planStepTest(place, wanted);
    const owner = wanted.event?.['orgId'];
    if (typeof owner === 'string' && sameId(owner) !== place.orgId) throw foreignEvent();
    const sent = eventOfTest(wanted, place) ?? (await this.events.find(place.orgId, wanted.eventId ?? ''));
    if (sent === null) throw notFound('No execution keeps this event whole.');
    if (Buffer.byteLength(sent.body) > CHAT_EVENT_BYTES_MAX) throw new Problem(413, 'event_too_large', 'An event may have 256 KiB.');
    return planTriggerTest(place, sent);
  }
}
