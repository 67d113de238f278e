import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, UseGuards, UseInterceptors } from '@nestjs/common';
import { Idempotent } from '@cf/idempotency';
import { CurrentPrincipal, type Principal, RequireScope, TenantGuard } from '@cf/registry-cache';
import { Operation, pageOf, parseQuery, TakesQuery, ZodPipe } from '@cf/service-kit';
import type { Written } from '../change-log/change-log.js';
import { IfMatch, type Precondition } from '../http/if-match.js';
import { KeepsAnswer } from '../http/keeps-answer.js';
import { mapPage, type Page } from '../http/newest-first.js';
import { ResourceId } from '../http/resource-id.js';
import { Deleted, Versioned, VersionedInterceptor } from '../http/versioned.interceptor.js';
import {
  accessTokenAnswer,
  accessTokenExample,
  answerAccessToken,
  type CreateAccessToken,
  createAccessToken,
  listAccessTokens,
  newAccessTokenAnswer,
} from './access-tokens.schema.js';
import { AccessTokensService, type MadeToken } from './access-tokens.service.js';

const written = ({ result: { row, token }, pending }: Written<MadeToken>): Versioned =>
  new Versioned({ ...answerAccessToken(row), token }, row.version, pending);

@Controller('v1/orgs/:orgId/access-tokens')
@UseGuards(TenantGuard)
@UseInterceptors(VersionedInterceptor)
@Idempotent()
export class AccessTokensController {
  constructor(private readonly accessTokens: AccessTokensService) {}

  @Post()
  @KeepsAnswer(written)
  @RequireScope('access-tokens:write')
  @Operation({
    summary: 'Create an access token',
    description: 'The token itself is in this answer only. One that a token made ends with it at the latest and is revoked with it.',
    answer: newAccessTokenAnswer,
    versioned: true,
    example: accessTokenExample,
    problems: ['outlives_parent'],
  })
  async create(
    @Param('orgId', ResourceId) orgId: string,
    @Body(new ZodPipe(createAccessToken)) request: CreateAccessToken,
    @CurrentPrincipal() principal: Principal,
  ): Promise<Versioned> {
    return written(await this.accessTokens.create(orgId, request, principal));
  }

  @Get()
  @TakesQuery(listAccessTokens)
  @RequireScope('access-tokens:read')
  @Operation({ summary: 'List access tokens, newest first', answer: pageOf(accessTokenAnswer) })
  async list(@Param('orgId', ResourceId) orgId: string, @Query() query: unknown): Promise<Page<object>> {
    return mapPage(await this.accessTokens.list(orgId, parseQuery(listAccessTokens, query)), answerAccessToken);
  }

  @Get(':id')
  @RequireScope('access-tokens:read')
  @Operation({ summary: 'Read an access token', answer: accessTokenAnswer, versioned: true })
  async get(@Param('orgId', ResourceId) orgId: string, @Param('id', ResourceId) id: string): Promise<Versioned> {
    const row = await this.accessTokens.get(orgId, id);
    return new Versioned(answerAccessToken(row), row.version);
  }

  @Delete(':id')
  @HttpCode(204)
  @RequireScope('access-tokens:write')
  @Operation({ summary: 'Revoke an access token and those that it made', answer: null })
  async revoke(
    @Param('orgId', ResourceId) orgId: string,
    @Param('id', ResourceId) id: string,
    @IfMatch('optional') precondition: Precondition,
  ): Promise<Deleted> {
    const { pending } = await this.accessTokens.revoke(orgId, id, precondition);
    return new Deleted(pending);
  }
}
