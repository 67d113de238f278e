import { Controller, Get, Param, UseGuards } from '@nestjs/common';
import { sameId } from '@cf/contract';
import { CurrentPrincipal, hasScope, type Principal, RequireScope, TenantGuard } from '@cf/registry-cache';
import { notFound, Operation } from '@cf/service-kit';
import { DeadLetterAudit } from './dead-letter-audit.js';
import { letterId, noSuchLetter } from './dead-letter-id.js';
import { wholeDeadLetterAnswer, wholeDeadLetterView } from './dead-letter-view.js';
import { KeptDeadLetters } from './kept-dead-letters.repository.js';
import { organizationOf } from './organization-of-letter.js';

/** A record that could not be read and names this organization alone. */
@Controller('v1/orgs/:orgId/dead-letters')
@UseGuards(TenantGuard)
@RequireScope('executions:read')
export class OrganizationDeadLettersController {
  constructor(
    private readonly letters: KeptDeadLetters,
    private readonly audit: DeadLetterAudit,
  ) {}

  @Get(':id')
  @Operation({
    summary: 'Read a dead letter of the organization',
    description: 'One that names no other organization. Its value and headers need the scope `executions:reveal`; seeing them is audited.',
    answer: wholeDeadLetterAnswer,
  })
  async find(@Param('orgId') orgId: string, @Param('id') id: string, @CurrentPrincipal() principal: Principal) {
    const letter = await this.letters.find(letterId(id));
    if (letter === null || organizationOf(letter) !== sameId(orgId)) throw notFound(noSuchLetter);
    const revealed = hasScope(principal, 'executions:reveal');
    if (revealed) await this.audit.record('dead-letter.revealed', letter, principal);
    return wholeDeadLetterView(letter, revealed);
  }
}
