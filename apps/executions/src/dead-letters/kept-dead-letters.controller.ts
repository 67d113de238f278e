import { Controller, Get, Inject, type OnApplicationShutdown, Param, Post, Query, UseGuards } from '@nestjs/common';
import { sameId, uuid } from '@cf/contract';
import { Idempotent } from '@cf/idempotency';
import { MESSAGE_LOG, type MessageLog, type Publisher } from '@cf/messaging';
import { actorOf, CurrentPrincipal, OperatorGuard, type Principal } from '@cf/registry-cache';
import { AuditTrail, listCursor, notFound, Operation, pageOf, parseQuery, TakesQuery } from '@cf/service-kit';
import { deadLetterAnswer, deadLetterView, wholeDeadLetterAnswer, type WholeDeadLetter, wholeDeadLetterView } from './dead-letter-view.js';
import { deadLetterCursor, deadLettersQuery, KeptDeadLetters } from './kept-dead-letters.repository.js';
import { recordOf } from './resend-dead-letter.js';

const noSuchLetter = 'There is no such dead letter.';

const idOf = (text: string): string => {
  if (!uuid.safeParse(text).success) throw notFound(noSuchLetter);
  return sameId(text);
};

@Controller('v1/dead-letters')
@UseGuards(OperatorGuard)
@Idempotent()
export class KeptDeadLettersController implements OnApplicationShutdown {
  private readonly publisher: Publisher;

  constructor(
    private readonly letters: KeptDeadLetters,
    private readonly audit: AuditTrail,
    @Inject(MESSAGE_LOG) log: MessageLog,
  ) {
    this.publisher = log.createPublisher('executions-dead-letters', 'trigger');
  }

  async onApplicationShutdown(): Promise<void> {
    await this.publisher.close();
  }

  @Get()
  @TakesQuery(deadLettersQuery)
  @Operation({ summary: 'List dead letters, newest first', answer: pageOf(deadLetterAnswer) })
  async list(@Query() query: unknown) {
    const { limit, cursor, ...filters } = parseQuery(deadLettersQuery, query);
    const cursors = listCursor('dead-letters', filters, deadLetterCursor);
    const rows = await this.letters.list(filters, cursors.decode(cursor), limit + 1);
    const last = rows[limit - 1];
    return {
      data: rows.slice(0, limit).map(deadLetterView),
      nextCursor:
        rows.length > limit && last !== undefined ? cursors.encode({ receivedAt: last.receivedAt.toISOString(), id: last.id }) : null,
    };
  }

  /** Its value may hold anything that somebody wrote to a topic, so looking at it is audited as a reveal is. */
  @Get(':id')
  @Operation({ summary: 'Read a dead letter with its value', description: 'Looking is audited.', answer: wholeDeadLetterAnswer })
  async find(@Param('id') id: string, @CurrentPrincipal() principal: Principal) {
    const letter = await this.letters.find(idOf(id));
    if (letter === null) throw notFound(noSuchLetter);
    await this.record('dead-letter.revealed', letter, principal);
    return wholeDeadLetterView(letter);
  }

  @Post(':id/resends')
  @Operation({
    summary: 'Send a dead letter to its topic again',
    answer: deadLetterAnswer,
    problems: ['dead_letter_truncated', 'dead_letter_not_resendable'],
  })
  async resend(@Param('id') id: string, @CurrentPrincipal() principal: Principal) {
    const { id: actor } = actorOf(principal);
    const letter = await this.letters.resend(idOf(id), actor ?? principal.type, async (found) => {
      const record = recordOf(found);
      await this.record('dead-letter.resent', found, principal);
      await this.publisher.publish(record);
    });
    if (letter === null) throw notFound(noSuchLetter);
    return deadLetterView(letter);
  }

  private record(action: string, { id, topic, reason }: WholeDeadLetter, principal: Principal): Promise<void> {
    const subject = { type: 'dead-letter', id };
    return this.audit.record({ orgId: null, actor: actorOf(principal), action, outcome: 'done', subject, details: { topic, reason } });
  }
}
