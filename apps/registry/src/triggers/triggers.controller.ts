import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query, UseGuards, UseInterceptors } from '@nestjs/common';
import { Idempotent } from '@cf/idempotency';
import { RequireScope, TenantGuard } from '@cf/registry-cache';
import { Operation, pageOf, parseQuery, TakesQuery, ZodPipe } from '@cf/service-kit';
import type { Written } from '../change-log/change-log.js';
import { IfMatch, type Precondition } from '../http/if-match.js';
import { KeepsAnswer } from '../http/keeps-answer.js';
import { mapPage, type Page } from '../http/newest-first.js';
import { ResourceId } from '../http/resource-id.js';
import { Deleted, Versioned, VersionedInterceptor } from '../http/versioned.interceptor.js';
import type { TriggerEntity } from './trigger.entity.js';
import { answerTrigger, listTriggers, triggerAnswer, triggerExample, type WriteTrigger, writeTrigger } from './triggers.schema.js';
import { TriggersService } from './triggers.service.js';

const written = ({ result, pending }: Written<TriggerEntity>): Versioned => new Versioned(answerTrigger(result), result.version, pending);

@Controller('v1/orgs/:orgId/triggers')
@UseGuards(TenantGuard)
@UseInterceptors(VersionedInterceptor)
@Idempotent()
export class TriggersController {
  constructor(private readonly triggers: TriggersService) {}

  @Post()
  @KeepsAnswer(written)
  @RequireScope('triggers:write')
  @Operation({ summary: 'Create a trigger', answer: triggerAnswer, versioned: true, example: triggerExample })
  async create(@Param('orgId', ResourceId) orgId: string, @Body(new ZodPipe(writeTrigger)) request: WriteTrigger): Promise<Versioned> {
    return written(await this.triggers.create(orgId, request));
  }

  @Get()
  @TakesQuery(listTriggers)
  @RequireScope('triggers:read')
  @Operation({ summary: 'List triggers, newest first', answer: pageOf(triggerAnswer) })
  async list(@Param('orgId', ResourceId) orgId: string, @Query() query: unknown): Promise<Page<object>> {
    return mapPage(await this.triggers.list(orgId, parseQuery(listTriggers, query)), answerTrigger);
  }

  @Get(':id')
  @RequireScope('triggers:read')
  @Operation({ summary: 'Read a trigger', answer: triggerAnswer, versioned: true })
  async get(@Param('orgId', ResourceId) orgId: string, @Param('id', ResourceId) id: string): Promise<Versioned> {
    const row = await this.triggers.get(orgId, id);
    return new Versioned(answerTrigger(row), row.version);
  }

  @Put(':id')
  @RequireScope('triggers:write')
  @Operation({
    summary: 'Replace a trigger',
    description: 'Everything but secrets that are left out, which are kept.',
    answer: triggerAnswer,
    versioned: true,
    example: triggerExample,
  })
  async replace(
    @Param('orgId', ResourceId) orgId: string,
    @Param('id', ResourceId) id: string,
    @Body(new ZodPipe(writeTrigger)) request: WriteTrigger,
    @IfMatch('required') precondition: Precondition,
  ): Promise<Versioned> {
    return written(await this.triggers.replace(orgId, id, request, precondition));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequireScope('triggers:write')
  @Operation({ summary: 'Delete a trigger', answer: null })
  async delete(
    @Param('orgId', ResourceId) orgId: string,
    @Param('id', ResourceId) id: string,
    @IfMatch('optional') precondition: Precondition,
  ): Promise<Deleted> {
    const { pending } = await this.triggers.delete(orgId, id, precondition);
    return new Deleted(pending);
  }
}
