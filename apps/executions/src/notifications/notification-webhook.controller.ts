import { randomUUID } from 'node:crypto';
import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query, Req, Res, UseGuards } from '@nestjs/common';
import { type CloudFunction, sameId, writeTime } from '@cf/contract';
import { Idempotent } from '@cf/idempotency';
import { actorOf, CurrentPrincipal, type Principal, RegistryCache, RequireScope, TenantGuard } from '@cf/registry-cache';
import { AuditTrail, listCursor, notFound, Operation, pageOf, pageQuery, parseQuery, Problem, TakesQuery, ZodPipe } from '@cf/service-kit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { planTriggerTest } from '../test-invocations/plan-test.js';
import { testAnswer } from '../test-invocations/test-answer.js';
import { TestCalls } from '../test-invocations/test-calls.js';
import {
  deliveryAnswer,
  deliveryView,
  eventTypeOf,
  type NotificationWebhook,
  webhookAnswer,
  webhookRequest,
  type WebhookRequest,
  webhookView,
} from './notification-webhook.js';
import { deliveryCursor, NotificationWebhooks } from './notification-webhooks.repository.js';

const listQuery = z.object({ ...pageQuery });
const nothing = z.strictObject({}).optional();

const noWebhook = (): Problem => notFound('The organization has no notification webhook.');

/** Notifications to an endpoint of the organization: one of its cloud functions, so that address, secrets and signing are in one place. */
@Controller('v1/orgs/:orgId/notification-webhook')
@UseGuards(TenantGuard)
@Idempotent()
export class NotificationWebhookController {
  constructor(
    private readonly webhooks: NotificationWebhooks,
    private readonly registry: RegistryCache,
    private readonly tests: TestCalls,
    private readonly audit: AuditTrail,
  ) {}

  @Get()
  @RequireScope('notifications:read')
  @Operation({ summary: 'Read which cloud function takes notifications', answer: webhookAnswer })
  async find(@Param('orgId') orgId: string) {
    return this.view(orgId, await this.known(orgId));
  }

  @Put()
  @RequireScope('notifications:write')
  @Operation({
    summary: 'Have notifications sent to a cloud function',
    description:
      'Each is POSTed to it when it comes, and once more ten minutes later if its count grew. They are signed, retried for 24 hours and recorded ' +
      'like the work of triggers. What concerns that function itself is not sent to it. Without `types` all are sent.',
    answer: webhookAnswer,
    example: { cloudFunctionId: 'c1b2a3d4-0000-4000-8000-000000000001', types: ['function_failing', 'circuit_opened'] },
  })
  async set(
    @Param('orgId') orgId: string,
    @Body(new ZodPipe(webhookRequest)) request: WebhookRequest,
    @CurrentPrincipal() principal: Principal,
  ) {
    await this.registry.caughtUp();
    if (this.registry.cloudFunction(orgId, request.cloudFunctionId) === undefined) {
      const error = { pointer: '/cloudFunctionId', code: 'unknown_reference', detail: 'names no cloud function of this organization' };
      throw new Problem(400, 'invalid_request', 'The request has errors.', [error]);
    }
    const webhook = await this.webhooks.set(sameId(orgId), request, () => this.tell('updated', orgId, principal, request));
    return this.view(orgId, webhook);
  }

  @Delete()
  @HttpCode(204)
  @RequireScope('notifications:write')
  @Operation({ summary: 'Have notifications sent no more', answer: null })
  async remove(@Param('orgId') orgId: string, @CurrentPrincipal() principal: Principal): Promise<void> {
    if (!(await this.webhooks.remove(sameId(orgId), (known) => this.tell('deleted', orgId, principal, known)))) throw noWebhook();
  }

  @Get('deliveries')
  @TakesQuery(listQuery)
  @RequireScope('notifications:read')
  @Operation({
    summary: 'List what was sent and is to be sent, newest first',
    description: 'Each is an execution too, under its `invocationId`: there are its attempts, and it can be retried or cancelled.',
    answer: pageOf(deliveryAnswer),
  })
  async deliveries(@Param('orgId') orgId: string, @Query() query: unknown) {
    const { limit, cursor } = parseQuery(listQuery, query);
    const cursors = listCursor('notification-deliveries', { orgId: sameId(orgId) }, deliveryCursor);
    const rows = await this.webhooks.deliveries(sameId(orgId), cursors.decode(cursor), limit + 1);
    const last = rows[limit - 1];
    return {
      data: rows.slice(0, limit).map(deliveryView),
      nextCursor:
        rows.length > limit && last !== undefined
          ? cursors.encode({ createdAt: last.createdAt.toISOString(), id: last.invocationId })
          : null,
    };
  }

  @Post('test-delivery')
  @HttpCode(200)
  @RequireScope('notifications:write')
  @Operation({
    summary: 'Send a sample notification',
    description:
      'Of the type `notification.test`, once, by the path that all take; answers the exchange, or 202 when it has not ended in time.',
    answer: testAnswer,
    otherAnswers: { 202: testAnswer },
    example: {},
    problems: ['log_unavailable', 'too_busy', 'too_many_requests'],
  })
  async test(
    @Param('orgId') orgId: string,
    @Body(new ZodPipe(nothing)) _body: unknown,
    @CurrentPrincipal() principal: Principal,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { cloudFunctionId } = await this.known(orgId);
    const { cloudFunction, configOffset } = await this.tests.functionOf(orgId, cloudFunctionId);
    const [id, nowMs] = [randomUUID(), Date.now()];
    const event = { id, type: eventTypeOf('test') };
    const body = JSON.stringify({ type: event.type, timestamp: writeTime(nowMs), data: { id, orgId: sameId(orgId) } });
    const place = { orgId: sameId(orgId), cloudFunctionId: cloudFunction.id, configOffset, nowMs, newId: randomUUID };
    return this.tests.call(planTriggerTest(place, { event, chatId: null, body }), {
      cloudFunction,
      isOwn: true,
      principal,
      request,
      reply,
    });
  }

  private async known(orgId: string): Promise<NotificationWebhook> {
    const webhook = await this.webhooks.find(sameId(orgId));
    if (webhook === null) throw noWebhook();
    return webhook;
  }

  private view(orgId: string, webhook: NotificationWebhook) {
    const callee: CloudFunction | undefined = this.registry.cloudFunction(orgId, webhook.cloudFunctionId);
    return webhookView(webhook, callee);
  }

  private tell(
    what: 'updated' | 'deleted',
    orgId: string,
    principal: Principal,
    { cloudFunctionId, types }: Pick<NotificationWebhook, 'cloudFunctionId' | 'types'>,
  ): Promise<void> {
    return this.audit.record({
      orgId: sameId(orgId),
      actor: actorOf(principal),
      action: `notification-webhook.${what}`,
      outcome: 'done',
      subject: { type: 'organization', id: sameId(orgId) },
      details: { cloudFunctionId, types: types === null ? 'all' : types.join(',') },
    });
  }
}
