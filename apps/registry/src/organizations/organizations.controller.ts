import { Body, Controller, Get, Param, Patch, Post, Query, UseGuards, UseInterceptors } from '@nestjs/common';
import { Idempotent } from '@cf/idempotency';
import { OperatorGuard } from '@cf/registry-cache';
import { Operation, pageOf, parseQuery, TakesQuery, ZodPipe } from '@cf/service-kit';
import type { Written } from '../change-log/change-log.js';
import { IfMatch, type Precondition } from '../http/if-match.js';
import { KeepsAnswer } from '../http/keeps-answer.js';
import { mapPage, type Page } from '../http/newest-first.js';
import { ResourceId } from '../http/resource-id.js';
import { Versioned, VersionedInterceptor } from '../http/versioned.interceptor.js';
import type { OrganizationEntity } from './organization.entity.js';
import {
  answerOrganization,
  organizationAnswer,
  organizationExample,
  type CreateOrganization,
  createOrganization,
  listOrganizations,
  type PatchOrganization,
  patchOrganization,
} from './organizations.schema.js';
import { OrganizationsService } from './organizations.service.js';

const written = ({ result, pending }: Written<OrganizationEntity>): Versioned =>
  new Versioned(answerOrganization(result), result.version, pending);

@Controller('v1/organizations')
@UseGuards(OperatorGuard)
@UseInterceptors(VersionedInterceptor)
@Idempotent()
export class OrganizationsController {
  constructor(private readonly organizations: OrganizationsService) {}

  @Post()
  @KeepsAnswer(written)
  @Operation({ summary: 'Create an organization', answer: organizationAnswer, versioned: true, example: organizationExample })
  async create(@Body(new ZodPipe(createOrganization)) request: CreateOrganization): Promise<Versioned> {
    return written(await this.organizations.create(request));
  }

  @Get()
  @TakesQuery(listOrganizations)
  @Operation({ summary: 'List organizations, newest first', answer: pageOf(organizationAnswer) })
  async list(@Query() query: unknown): Promise<Page<object>> {
    return mapPage(await this.organizations.list(parseQuery(listOrganizations, query)), answerOrganization);
  }

  @Get(':orgId')
  @Operation({ summary: 'Read an organization', answer: organizationAnswer, versioned: true })
  async get(@Param('orgId', ResourceId) id: string): Promise<Versioned> {
    const row = await this.organizations.get(id);
    return new Versioned(answerOrganization(row), row.version);
  }

  @Patch(':orgId')
  @Operation({ summary: 'Change an organization', answer: organizationAnswer, versioned: true, example: { cloudFunctionsEnabled: true } })
  async patch(
    @Param('orgId', ResourceId) id: string,
    @Body(new ZodPipe(patchOrganization)) request: PatchOrganization,
    @IfMatch('required') precondition: Precondition,
  ): Promise<Versioned> {
    return written(await this.organizations.patch(id, request, precondition));
  }
}
