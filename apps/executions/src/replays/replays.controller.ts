import { Body, Controller, Get, HttpCode, Param, Post, Query, Res, UseGuards } from '@nestjs/common';
import { sameId, uuid } from '@cf/contract';
import { AnsweredInTransaction, Idempotent } from '@cf/idempotency';
import { actorOf, CurrentPrincipal, type Principal, RequireScope, TenantGuard } from '@cf/registry-cache';
import {
  AuditTrail,
  listCursor,
  notFound,
  Operation,
  pageOf,
  pageQuery,
  parseQuery,
  Problem,
  queryTime,
  TakesQuery,
  ZodPipe,
} from '@cf/service-kit';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { dryRunAnswer, type Replay, replayAnswer, type ReplayStatus, replayView } from './replay.js';
import { replayExample, type ReplayRequest, replayRequest } from './replay-request.js';
import { ReplaysRepository } from './replays.repository.js';

const replaysQuery = z.object(pageQuery);
const replayCursor = z.object({ createdAt: queryTime, id: uuid });

/** What is done to a replay has nothing to say beyond its path. */
const nothing = z.strictObject({}).optional();

const refuseEnded = ({ status }: Replay): void => {
  if (status === 'completed' || status === 'cancelled') throw new Problem(409, 'replay_ended', 'The replay has ended.');
};

@Controller('v1/orgs/:orgId/replays')
@UseGuards(TenantGuard)
@Idempotent()
export class ReplaysController {
  constructor(
    private readonly replays: ReplaysRepository,
    private readonly trail: AuditTrail,
  ) {}

  @Post()
  @AnsweredInTransaction((replay: Replay) => ({ headers: {}, body: replayView(replay) }))
  @RequireScope('replays:write')
  @Operation({
    summary: 'Send executions of triggers again',
    description:
      'Those of a filter, or those that are named. A dry run only counts them. What cannot be counted in time is ordered in parts of `createdAt`.',
    answer: replayAnswer,
    otherAnswers: { 200: dryRunAnswer },
    example: replayExample,
    problems: ['too_many_replays', 'query_too_broad'],
  })
  async create(
    @Param('orgId') orgId: string,
    @Body(new ZodPipe(replayRequest)) request: ReplayRequest,
    @CurrentPrincipal() principal: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    if (request.dryRun) {
      reply.status(200);
      return { dryRun: true, count: await this.replays.count(sameId(orgId), request) };
    }
    const replay = await this.replays.create(sameId(orgId), request, actorOf(principal), (created) =>
      this.tell('replay.created', created, principal),
    );
    return replayView(replay);
  }

  @Get()
  @TakesQuery(replaysQuery)
  @RequireScope('replays:read')
  @Operation({ summary: 'List replays, newest first', answer: pageOf(replayAnswer) })
  async list(@Param('orgId') orgId: string, @Query() query: unknown) {
    const { limit, cursor } = parseQuery(replaysQuery, query);
    const cursors = listCursor('replays', { orgId: sameId(orgId) }, replayCursor);
    const found = await this.replays.list(sameId(orgId), cursors.decode(cursor), limit + 1);
    const page = found.slice(0, limit);
    const last = page.at(-1);
    const goesOn = found.length > limit && last !== undefined;
    return {
      data: page.map(replayView),
      nextCursor: goesOn ? cursors.encode({ createdAt: last.createdAt.toISOString(), id: last.id }) : null,
    };
  }

  @Get(':id')
  @RequireScope('replays:read')
  @Operation({ summary: 'Read a replay with its progress', answer: replayAnswer })
  async find(@Param('orgId') orgId: string, @Param('id') id: string) {
    return replayView(found(await this.replays.find(sameId(orgId), idOf(id))));
  }

  @Post(':id/pause')
  @HttpCode(200)
  @RequireScope('replays:write')
  @Operation({ summary: 'Pause a replay', answer: replayAnswer, problems: ['replay_ended'] })
  pause(
    @Param('orgId') orgId: string,
    @Param('id') id: string,
    @Body(new ZodPipe(nothing)) _body: unknown,
    @CurrentPrincipal() principal: Principal,
  ) {
    return this.set(orgId, id, 'paused', 'replay.paused', principal);
  }

  @Post(':id/resume')
  @HttpCode(200)
  @RequireScope('replays:write')
  @Operation({ summary: 'Let a replay go on', answer: replayAnswer, problems: ['replay_ended'] })
  resume(
    @Param('orgId') orgId: string,
    @Param('id') id: string,
    @Body(new ZodPipe(nothing)) _body: unknown,
    @CurrentPrincipal() principal: Principal,
  ) {
    return this.set(orgId, id, 'running', 'replay.resumed', principal);
  }

  @Post(':id/cancellation')
  @HttpCode(200)
  @RequireScope('replays:write')
  @Operation({ summary: 'Cancel a replay', answer: replayAnswer, problems: ['replay_ended'] })
  cancel(
    @Param('orgId') orgId: string,
    @Param('id') id: string,
    @Body(new ZodPipe(nothing)) _body: unknown,
    @CurrentPrincipal() principal: Principal,
  ) {
    return this.set(orgId, id, 'cancelled', 'replay.cancelled', principal);
  }

  private async set(orgId: string, id: string, status: ReplayStatus, action: string, principal: Principal) {
    const replay = await this.replays.setStatus(sameId(orgId), idOf(id), status, async (known) => {
      refuseEnded(known);
      await this.tell(action, known, principal);
    });
    return replayView(found(replay));
  }

  private tell(action: string, { id, orgId, total, onlyIfNotSucceeded }: Replay, principal: Principal): Promise<void> {
    const subject = { type: 'replay', id };
    // Its name may name a chat, which nobody could erase from the audit log.
    const details = { total, onlyIfNotSucceeded };
    return this.trail.record({ orgId, actor: actorOf(principal), action, outcome: 'done', subject, details });
  }
}

const idOf = (text: string): string => {
  if (!uuid.safeParse(text).success) throw notFound('There is no such replay.');
  return sameId(text);
};

const found = (replay: Replay | null): Replay => {
  if (replay === null) throw notFound('There is no such replay.');
  return replay;
};
