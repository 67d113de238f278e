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
import type { CloudFunctionEntity } from './cloud-function.entity.js';
import {
  answerCloudFunction,
  cloudFunctionAnswer,
  cloudFunctionExample,
  listCloudFunctions,
  type WriteCloudFunction,
  writeCloudFunction,
} from './cloud-functions.schema.js';
import { CloudFunctionsService } from './cloud-functions.service.js';

const written = ({ result, pending }: Written<CloudFunctionEntity>): Versioned =>
  new Versioned(answerCloudFunction(result), result.version, pending);

@Controller('v1/orgs/:orgId/cloud-functions')
@UseGuards(TenantGuard)
@UseInterceptors(VersionedInterceptor)
@Idempotent()
export class CloudFunctionsController {
  constructor(private readonly cloudFunctions: CloudFunctionsService) {}

  @Post()
  @KeepsAnswer(written)
  @RequireScope('cloud-functions:write')
  @Operation({ summary: 'Create a cloud function', answer: cloudFunctionAnswer, versioned: true, example: cloudFunctionExample })
  async create(
    @Param('orgId', ResourceId) orgId: string,
    @Body(new ZodPipe(writeCloudFunction)) request: WriteCloudFunction,
  ): Promise<Versioned> {
    return written(await this.cloudFunctions.create(orgId, request));
  }

  @Get()
  @TakesQuery(listCloudFunctions)
  @RequireScope('cloud-functions:read')
  @Operation({ summary: 'List cloud functions, newest first', answer: pageOf(cloudFunctionAnswer) })
  async list(@Param('orgId', ResourceId) orgId: string, @Query() query: unknown): Promise<Page<object>> {
    return mapPage(await this.cloudFunctions.list(orgId, parseQuery(listCloudFunctions, query)), answerCloudFunction);
  }

  @Get(':id')
  @RequireScope('cloud-functions:read')
  @Operation({ summary: 'Read a cloud function', answer: cloudFunctionAnswer, versioned: true })
  async get(@Param('orgId', ResourceId) orgId: string, @Param('id', ResourceId) id: string): Promise<Versioned> {
    const row = await this.cloudFunctions.get(orgId, id);
    return new Versioned(answerCloudFunction(row), row.version);
  }

  @Put(':id')
  @RequireScope('cloud-functions:write')
  @Operation({
    summary: 'Replace a cloud function',
    description: 'Everything but secrets that are left out, which are kept.',
    answer: cloudFunctionAnswer,
    versioned: true,
    example: cloudFunctionExample,
  })
  async replace(
    @Param('orgId', ResourceId) orgId: string,
    @Param('id', ResourceId) id: string,
    @Body(new ZodPipe(writeCloudFunction)) request: WriteCloudFunction,
    @IfMatch('required') precondition: Precondition,
  ): Promise<Versioned> {
    return written(await this.cloudFunctions.replace(orgId, id, request, precondition));
  }

  @Post(':id/pause')
  @KeepsAnswer(written)
  @HttpCode(200)
  @RequireScope('cloud-functions:write')
  @Operation({
    summary: 'Let the triggers of a cloud function wait',
    description: 'Steps go on.',
    answer: cloudFunctionAnswer,
    versioned: true,
  })
  async pause(@Param('orgId', ResourceId) orgId: string, @Param('id', ResourceId) id: string): Promise<Versioned> {
    return written(await this.cloudFunctions.pauseTriggers(orgId, id, true));
  }

  @Post(':id/resume')
  @KeepsAnswer(written)
  @HttpCode(200)
  @RequireScope('cloud-functions:write')
  @Operation({ summary: 'Let the triggers of a cloud function go on', answer: cloudFunctionAnswer, versioned: true })
  async resume(@Param('orgId', ResourceId) orgId: string, @Param('id', ResourceId) id: string): Promise<Versioned> {
    return written(await this.cloudFunctions.pauseTriggers(orgId, id, false));
  }

  /** Closes the function's breakers in every invoker. */
  @Post(':id/circuit-reset')
  @KeepsAnswer(written)
  @HttpCode(200)
  @RequireScope('cloud-functions:write')
  @Operation({
    summary: 'Close the circuit breakers of a cloud function',
    description: 'In every invoker.',
    answer: cloudFunctionAnswer,
    versioned: true,
  })
  async resetCircuit(@Param('orgId', ResourceId) orgId: string, @Param('id', ResourceId) id: string): Promise<Versioned> {
    return written(await this.cloudFunctions.resetCircuit(orgId, id));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequireScope('cloud-functions:write')
  @Operation({ summary: 'Delete a cloud function', answer: null, problems: ['in_use'] })
  async delete(
    @Param('orgId', ResourceId) orgId: string,
    @Param('id', ResourceId) id: string,
    @IfMatch('optional') precondition: Precondition,
  ): Promise<Deleted> {
    const { pending } = await this.cloudFunctions.delete(orgId, id, precondition);
    return new Deleted(pending);
  }
}
