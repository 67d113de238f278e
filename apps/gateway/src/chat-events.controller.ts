import { Controller, HttpCode, Param, Post, Req, UseGuards } from '@nestjs/common';
import { chatEvent, chatEvents, messageHeader, uuid } from '@cf/contract';
import { Idempotent } from '@cf/idempotency';
import { RequireScope, TenantGuard } from '@cf/registry-cache';
import { Operation, Problem } from '@cf/service-kit';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ChatEventsPublisher } from './chat-events.publisher.js';
import { readChatEvent, readChatEventLines } from './read-chat-events.js';
import { singleHeader } from './single-header.js';

const NDJSON = /^application\/x-ndjson\s*(;|$)/i;

const accepted = z.object({ accepted: z.int() });

const causeOf = (request: FastifyRequest): string | null => {
  const given = singleHeader(request, messageHeader.causedBy);
  if (given === undefined || uuid.safeParse(given).success) return given ?? null;
  throw new Problem(400, 'invalid_header', 'The header caused-by must be an invocation id.');
};

@Controller('v1/orgs/:orgId/chat-events')
@UseGuards(TenantGuard)
@Idempotent()
export class ChatEventsController {
  constructor(private readonly publisher: ChatEventsPublisher) {}

  @Post()
  @HttpCode(202)
  @RequireScope('chat-events:publish')
  @Operation({
    summary: 'Publish chat events',
    description:
      'One event, or up to 1,000 as one a line. Accepted once the log has acknowledged all of them; a batch with a bad line is refused whole.',
    body: { 'application/json': chatEvent, 'application/x-ndjson': z.string() },
    example: chatEvents.example,
    headers: {
      [messageHeader.causedBy]: 'The id of the invocation whose call brought this event about; it keeps loops apart from coincidence.',
    },
    answer: accepted,
    problems: ['invalid_event', 'invalid_header', 'event_too_large', 'too_many_events', 'too_busy', 'too_many_waiting', 'log_unavailable'],
  })
  async publish(@Param('orgId') orgId: string, @Req() request: FastifyRequest): Promise<z.infer<typeof accepted>> {
    const body = request.rawBody ?? Buffer.alloc(0);
    const isBatch = NDJSON.test(request.headers['content-type'] ?? '');
    const events = isBatch ? readChatEventLines(body, orgId) : [readChatEvent(body, orgId)];
    const traceparent = singleHeader(request, messageHeader.traceparent);
    await this.publisher.publish(orgId, events, { traceparent, causedBy: causeOf(request) });
    return { accepted: events.length };
  }
}
