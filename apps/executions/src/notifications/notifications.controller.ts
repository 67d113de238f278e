import { Controller, Get, Headers, Param, Query, Res, UseGuards } from '@nestjs/common';
import { sameId, uuid } from '@cf/contract';
import { CurrentPrincipal, OperatorGuard, type Principal, RequireScope, TenantGuard } from '@cf/registry-cache';
import { listCursor, Operation, pageOf, pageQuery, parseQuery, TakesQuery } from '@cf/service-kit';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { anyOf } from '../query/execution-filters.js';
import { lastEventIdHeader, lastEventIdQuery, placeAfter } from '../stream/last-event-id.js';
import { OpenStreams } from '../stream/open-streams.js';
import { type Notification, notificationAnswer, notificationType, notificationView } from './notification.js';
import { NotificationFeed } from './notification-feed.js';
import { notificationCursor, Notifications, type NotificationsRequest } from './notifications.repository.js';

const listQuery = z.object({ ...pageQuery, type: anyOf(notificationType), cloudFunctionId: anyOf(uuid.transform(sameId)) });
const streamQuery = z.object(lastEventIdQuery);

const positionOf = (id: string): bigint | null => (/^\d{1,18}$/.test(id) ? BigInt(id) : null);

const KINDS =
  'A function that fails at 50, 70, 90 or 100 % of at least 20 calls in 10 minutes, circuits that open and close, invocations that ended without success. Kept for 30 days.';

const streamed = {
  description:
    'Server-sent events: `notification` with what a list shows of it, again when its count grew; `gap` when some of what came after the last event id is not kept, before what is; `cut_off` with a reason when it ends from our side. Comments keep it open.',
  answer: 'text/event-stream',
  headers: lastEventIdHeader,
  problems: ['invalid_position', 'too_many_streams'],
} as const;

/** All operators together have as many streams as one organization. */
const OPERATORS = 'operators';

/** A page of a list that `read` reads, for one organization or, without, for all. */
const page = async (orgId: string | null, query: unknown, read: (request: NotificationsRequest) => Promise<Notification[]>) => {
  const { limit, cursor, ...filters } = parseQuery(listQuery, query);
  const cursors = listCursor('notifications', { orgId: orgId ?? undefined, ...filters }, notificationCursor);
  const rows = await read({ ...filters, after: cursors.decode(cursor), limit: limit + 1 });
  const last = rows[limit - 1];
  return {
    data: rows.slice(0, limit).map(notificationView),
    nextCursor: rows.length > limit && last !== undefined ? cursors.encode({ createdAt: last.createdAt.toISOString(), id: last.id }) : null,
  };
};

/** What the reader of a stream heard last; null for one that begins. */
const heardLast = (query: unknown, header: string | undefined): bigint | null =>
  placeAfter(parseQuery(streamQuery, query).lastEventId, header, positionOf);

@Controller('v1/orgs/:orgId/notifications')
@UseGuards(TenantGuard)
@RequireScope('executions:read')
export class NotificationsController {
  constructor(
    private readonly notifications: Notifications,
    private readonly feed: NotificationFeed,
    private readonly streams: OpenStreams,
  ) {}

  @Get()
  @TakesQuery(listQuery)
  @Operation({ summary: 'List notifications, newest first', description: KINDS, answer: pageOf(notificationAnswer) })
  list(@Param('orgId') orgId: string, @Query() query: unknown) {
    return page(sameId(orgId), query, (request) => this.notifications.listOf(sameId(orgId), request));
  }

  @Get('stream')
  @TakesQuery(streamQuery)
  @Operation({ ...streamed, summary: 'Follow notifications as they come' })
  async stream(
    @Param('orgId') orgId: string,
    @Query() query: unknown,
    @Headers('last-event-id') header: string | undefined,
    @CurrentPrincipal() principal: Principal,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const start = await this.notifications.startAfter(heardLast(query, header), sameId(orgId));
    this.streams.admit(orgId);
    this.feed.join(this.streams.begin(orgId, principal, reply), sameId(orgId), start);
  }
}

/** Of all organizations. */
@Controller('v1/notifications')
@UseGuards(OperatorGuard)
export class AllNotificationsController {
  constructor(
    private readonly notifications: Notifications,
    private readonly feed: NotificationFeed,
    private readonly streams: OpenStreams,
  ) {}

  @Get()
  @TakesQuery(listQuery)
  @Operation({ summary: 'List notifications of all organizations, newest first', description: KINDS, answer: pageOf(notificationAnswer) })
  list(@Query() query: unknown) {
    return page(null, query, (request) => this.notifications.listOfAll(request));
  }

  @Get('stream')
  @TakesQuery(streamQuery)
  @Operation({ ...streamed, summary: 'Follow notifications of all organizations as they come' })
  async stream(
    @Query() query: unknown,
    @Headers('last-event-id') header: string | undefined,
    @CurrentPrincipal() principal: Principal,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const start = await this.notifications.startAfter(heardLast(query, header), null);
    this.streams.admit(OPERATORS);
    this.feed.join(this.streams.begin(OPERATORS, principal, reply), null, start);
  }
}
