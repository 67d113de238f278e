import { Body, Controller, HttpCode, Param, Post, UseGuards } from '@nestjs/common';
import { sameId, uuid, writtenTime } from '@cf/contract';
import { Idempotent } from '@cf/idempotency';
import { actorOf, CurrentPrincipal, type Principal, RequireScope, TenantGuard } from '@cf/registry-cache';
import { AuditTrail, Operation, ZodPipe } from '@cf/service-kit';
import { z } from 'zod';
import { chatHashOf } from './chat-hash.js';
import { ErasureRepository } from './erasure.repository.js';
import { ErasureTurns } from './erasure-turns.js';

const erasureRequest = z.strictObject({ chatId: uuid.transform(sameId) });

const erasureAnswer = z
  .object({
    executions: z.int(),
    attempts: z.int(),
    requests: z.int(),
    waiting: z.int(),
    deadLetters: z.int(),
    erasedAt: writtenTime,
  })
  .meta({ id: 'Erasure' });

@Controller('v1/orgs/:orgId/erasures')
@UseGuards(TenantGuard)
@Idempotent()
export class ErasuresController {
  constructor(
    private readonly erasures: ErasureRepository,
    private readonly turns: ErasureTurns,
    private readonly trail: AuditTrail,
  ) {}

  @Post()
  @HttpCode(200)
  @RequireScope('executions:write')
  @Operation({
    summary: 'Erase all that is recorded of a chat',
    description: 'What waits is cancelled. The answer counts what was erased; the chat is named nowhere any more.',
    answer: erasureAnswer,
    problems: ['too_many_erasures'],
    example: { chatId: '7b1f0c44-9f66-4a4e-8f5d-2f3f0a7f2a10' },
  })
  async erase(
    @Param('orgId') orgId: string,
    @Body(new ZodPipe(erasureRequest)) { chatId }: z.infer<typeof erasureRequest>,
    @CurrentPrincipal() principal: Principal,
  ): Promise<z.infer<typeof erasureAnswer>> {
    const [org, hash] = [sameId(orgId), chatHashOf(orgId, chatId)];
    const entry = { orgId: org, actor: actorOf(principal), outcome: 'done', subject: { type: 'chat', id: hash } } as const;
    return this.turns.take(org, async () => {
      await this.trail.record({ ...entry, action: 'chat.erasure-ordered', details: {} });
      const { erasedAt, ...counts } = await this.erasures.erase(org, chatId);
      this.trail.note({ ...entry, action: 'chat.erased', details: counts });
      return { ...counts, erasedAt: erasedAt.toISOString() };
    });
  }
}
