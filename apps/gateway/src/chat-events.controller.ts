import { Controller, HttpCode, Param, Post, Req, UseGuards } from '@nestjs/common';
import { messageHeader, uuid } from '@cf/contract';
import { RequireScope, TenantGuard } from '@cf/registry-cache';
import { Problem } from '@cf/service-kit';
import type { FastifyRequest } from 'fastify';
import { ChatEventsPublisher } from './chat-events.publisher.js';
import { readChatEvent, readChatEventLines } from './read-chat-events.js';
import { singleHeader } from './single-header.js';

const NDJSON = /^application\/x-ndjson\s*(;|$)/i;

const causeOf = (request: FastifyRequest): string | null => {
  const given = singleHeader(request, messageHeader.causedBy);
  if (given === undefined || uuid.safeParse(given).success) return given ?? null;
  throw new Problem(400, 'invalid_header', 'The header caused-by must be an invocation id.');
};

@Controller('v1/orgs/:orgId/chat-events')
@UseGuards(TenantGuard)
export class ChatEventsController {
  constructor(private readonly publisher: ChatEventsPublisher) {}

  @Post()
  @HttpCode(202)
  @RequireScope('chat-events:publish')
  async publish(@Param('orgId') orgId: string, @Req() request: FastifyRequest): Promise<{ accepted: number }> {
    const body = request.rawBody ?? Buffer.alloc(0);
    const isBatch = NDJSON.test(request.headers['content-type'] ?? '');
    const events = isBatch ? readChatEventLines(body, orgId) : [readChatEvent(body, orgId)];
    const traceparent = singleHeader(request, messageHeader.traceparent);
    await this.publisher.publish(events, { traceparent, causedBy: causeOf(request) });
    return { accepted: events.length };
  }
}
