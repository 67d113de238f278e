import { Controller, Get, Headers, Inject, Param, Query, Res, UseGuards } from '@nestjs/common';
import { sameId } from '@cf/contract';
import { CurrentPrincipal, type Principal, RequireScope, TenantGuard } from '@cf/registry-cache';
import { Operation, parseQuery, TakesQuery } from '@cf/service-kit';
import type { FastifyReply } from 'fastify';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import { executionFilters } from '../query/execution-filters.js';
import { ExecutionChanges } from './execution-changes.repository.js';
import { ExecutionFeed } from './execution-feed.js';
import { lastEventIdHeader, lastEventIdQuery, placeAfter } from './last-event-id.js';
import { OpenStreams } from './open-streams.js';
import { isAfter, isKept, readPosition, type StreamPosition } from './stream-position.js';

/** The filters of the list, but its text: a stream shows rows, and no row holds a body. */
const streamQuery = executionFilters.extend(lastEventIdQuery);

/** What changes, as it changes: an `execution` event with what a list shows of it, for each that the filters want. */
@Controller('v1/orgs/:orgId/executions')
@UseGuards(TenantGuard)
@RequireScope('executions:read')
export class ExecutionsStreamController {
  constructor(
    private readonly changes: ExecutionChanges,
    private readonly feed: ExecutionFeed,
    private readonly streams: OpenStreams,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
  ) {}

  @Get('stream')
  @TakesQuery(streamQuery)
  @Operation({
    summary: 'Follow executions as they change',
    description:
      'Server-sent events: `execution` with what a list shows of it, `gap` when what came after the last event id is not kept, `cut_off` with a reason when it ends from our side. Comments keep it open.',
    answer: 'text/event-stream',
    headers: lastEventIdHeader,
    problems: ['invalid_position', 'too_many_streams'],
  })
  async stream(
    @Param('orgId') orgId: string,
    @Query() query: unknown,
    @Headers('last-event-id') header: string | undefined,
    @CurrentPrincipal() principal: Principal,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { lastEventId, ...filters } = parseQuery(streamQuery, query);
    const wanted = placeAfter(lastEventId, header, readPosition);
    const now = await this.changes.now();
    this.streams.admit(orgId);
    const kept = wanted !== null && isKept(wanted, now.atMs, this.config.EXECUTIONS_STREAM_RESUME_MS) && !isAfter(wanted, latest(now));
    const stream = this.streams.begin(orgId, principal, reply);
    if (wanted !== null && !kept) stream.send('gap', { reason: 'position_not_kept' });
    this.feed.join(stream, sameId(orgId), filters, kept ? wanted : now);
  }
}

/** Positions of another process may be a little ahead; one far ahead is of another database. */
const AHEAD_MAX = 1_000_000n;
const latest = ({ xid, atMs }: StreamPosition): StreamPosition => ({ xid: xid + AHEAD_MAX, position: 0n, index: 0, atMs });
