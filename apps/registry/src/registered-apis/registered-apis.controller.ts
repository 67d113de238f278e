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
import type { RegisteredApiEntity } from './registered-api.entity.js';
import {
  answerRegisteredApi,
  type CopyRegisteredApi,
  copyRegisteredApi,
  listRegisteredApis,
  registeredApiAnswer,
  registeredApiExample,
  type WriteRegisteredApi,
  writeRegisteredApi,
} from './registered-apis.schema.js';
import { RegisteredApisService } from './registered-apis.service.js';

const written = ({ result, pending }: Written<RegisteredApiEntity>): Versioned =>
  new Versioned(answerRegisteredApi(result), result.version, pending);

@Controller('v1/orgs/:orgId/registered-apis')
@UseGuards(TenantGuard)
@UseInterceptors(VersionedInterceptor)
@Idempotent()
export class RegisteredApisController {
  constructor(private readonly registeredApis: RegisteredApisService) {}

  @Post()
  @KeepsAnswer(written)
  @RequireScope('registered-apis:write')
  @Operation({ summary: 'Create a registered API', answer: registeredApiAnswer, versioned: true, example: registeredApiExample })
  async create(
    @Param('orgId', ResourceId) orgId: string,
    @Body(new ZodPipe(writeRegisteredApi)) request: WriteRegisteredApi,
  ): Promise<Versioned> {
    return written(await this.registeredApis.create(orgId, request));
  }

  @Get()
  @TakesQuery(listRegisteredApis)
  @RequireScope('registered-apis:read')
  @Operation({ summary: 'List registered APIs, newest first', answer: pageOf(registeredApiAnswer) })
  async list(@Param('orgId', ResourceId) orgId: string, @Query() query: unknown): Promise<Page<object>> {
    return mapPage(await this.registeredApis.list(orgId, parseQuery(listRegisteredApis, query)), answerRegisteredApi);
  }

  @Get(':id')
  @RequireScope('registered-apis:read')
  @Operation({ summary: 'Read a registered API', answer: registeredApiAnswer, versioned: true })
  async get(@Param('orgId', ResourceId) orgId: string, @Param('id', ResourceId) id: string): Promise<Versioned> {
    const row = await this.registeredApis.get(orgId, id);
    return new Versioned(answerRegisteredApi(row), row.version);
  }

  @Put(':id')
  @RequireScope('registered-apis:write')
  @Operation({
    summary: 'Replace a registered API',
    description: 'Everything but secrets that are left out, which are kept.',
    answer: registeredApiAnswer,
    versioned: true,
    example: registeredApiExample,
    problems: ['locked'],
  })
  async replace(
    @Param('orgId', ResourceId) orgId: string,
    @Param('id', ResourceId) id: string,
    @Body(new ZodPipe(writeRegisteredApi)) request: WriteRegisteredApi,
    @IfMatch('required') precondition: Precondition,
  ): Promise<Versioned> {
    return written(await this.registeredApis.replace(orgId, id, request, precondition));
  }

  @Post(':id/copies')
  @KeepsAnswer(written)
  @RequireScope('registered-apis:write')
  @Operation({
    summary: 'Copy a registered API',
    description: 'The copy keeps the secrets and is not read-only.',
    answer: registeredApiAnswer,
    versioned: true,
    example: { name: 'Clinic CRM, next season' },
  })
  async copy(
    @Param('orgId', ResourceId) orgId: string,
    @Param('id', ResourceId) id: string,
    @Body(new ZodPipe(copyRegisteredApi)) request: CopyRegisteredApi,
  ): Promise<Versioned> {
    return written(await this.registeredApis.copy(orgId, id, request));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequireScope('registered-apis:write')
  @Operation({ summary: 'Delete a registered API', answer: null, problems: ['in_use'] })
  async delete(
    @Param('orgId', ResourceId) orgId: string,
    @Param('id', ResourceId) id: string,
    @IfMatch('optional') precondition: Precondition,
  ): Promise<Deleted> {
    const { pending } = await this.registeredApis.delete(orgId, id, precondition);
    return new Deleted(pending);
  }
}
