import { Controller, Get, Inject, type OnApplicationShutdown, Param, Post, Query, UseGuards } from '@nestjs/common';
import { Idempotent } from '@cf/idempotency';
import { MESSAGE_LOG, type MessageLog, type Publisher } from '@cf/messaging';
import { actorOf, CurrentPrincipal, OperatorGuard, type Principal } from '@cf/registry-cache';
import { listCursor, notFound, Operation, pageOf, parseQuery, TakesQuery } from '@cf/service-kit';
import { DeadLetterAudit } from './dead-letter-audit.js';
import { letterId, noSuchLetter } from './dead-letter-id.js';
import { deadLetterAnswer, deadLetterView, wholeDeadLetterAnswer, wholeDeadLetterView } from './dead-letter-view.js';
import { deadLetterCursor, deadLettersQuery, KeptDeadLetters } from './kept-dead-letters.repository.js';
import { recordOf } from './resend-dead-letter.js';

@Controller('v1/dead-letters')
@UseGuards(OperatorGuard)
@Idempotent()
export class KeptDeadLettersController implements OnApplicationShutdown {
  private readonly publisher: Publisher;

  constructor(
    private readonly letters: KeptDeadLetters,
    private readonly audit: DeadLetterAudit,
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

  @Get(':id')
  @Operation({
    summary: 'Read a dead letter',
    description:
      'Its value and headers are `hidden` from operators: an access token of the organization that it names reads them, with `executions:reveal`, under `/v1/orgs/{orgId}/dead-letters/{id}`.',
    answer: wholeDeadLetterAnswer,
  })
  async find(@Param('id') id: string) {
    const letter = await this.letters.find(letterId(id));
    if (letter === null) throw notFound(noSuchLetter);
    return wholeDeadLetterView(letter, false);
  }

  @Post(':id/resends')
  @Operation({
    summary: 'Send a dead letter to its topic again',
    answer: deadLetterAnswer,
    problems: ['dead_letter_truncated', 'dead_letter_not_resendable'],
  })
  async resend(@Param('id') id: string, @CurrentPrincipal() principal: Principal) {
    const { id: actor } = actorOf(principal);
    const letter = await this.letters.resend(letterId(id), actor ?? principal.type, async (found) => {
      const record = recordOf(found);
      await this.audit.record('dead-letter.resent', found, principal);
      await this.publisher.publish(record);
    });
    if (letter === null) throw notFound(noSuchLetter);
    return deadLetterView(letter);
  }
}
