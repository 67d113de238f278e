import { Readable } from 'node:stream';
import { Controller, Get, Param, Query, StreamableFile, UseGuards } from '@nestjs/common';
import { OperatorGuard, RequireScope, TenantGuard } from '@cf/registry-cache';
import { parseQuery, TakesQuery } from '@cf/service-kit';
import type { Page } from '../http/newest-first.js';
import { ResourceId } from '../http/resource-id.js';
import { listAuditLog, verifyAuditLog } from './audit-log.schema.js';
import { AuditLogService } from './audit-log.service.js';
import { OPERATORS_CHAIN } from './chain.js';
import type { Verification } from './chain-verifier.js';

const asLines = (lines: AsyncGenerator<string>): StreamableFile =>
  new StreamableFile(Readable.from(lines, { objectMode: false }), { type: 'application/x-ndjson' });

@Controller('v1/orgs/:orgId/audit-log')
@UseGuards(TenantGuard)
@RequireScope('audit-log:read')
export class AuditLogController {
  constructor(private readonly auditLog: AuditLogService) {}

  @Get()
  @TakesQuery()
  list(@Param('orgId', ResourceId) orgId: string, @Query() query: unknown): Promise<Page<object>> {
    return this.auditLog.list(orgId, parseQuery(listAuditLog, query));
  }

  @Get('export')
  export(@Param('orgId', ResourceId) orgId: string): StreamableFile {
    return asLines(this.auditLog.export(orgId));
  }

  @Get('verification')
  @TakesQuery()
  verify(@Param('orgId', ResourceId) orgId: string, @Query() query: unknown): Promise<Verification> {
    return this.auditLog.verify(orgId, parseQuery(verifyAuditLog, query).head);
  }
}

/** What concerns no organization: key rotations, and callers that nobody knows. */
@Controller('v1/audit-log')
@UseGuards(OperatorGuard)
export class OperatorsAuditLogController {
  constructor(private readonly auditLog: AuditLogService) {}

  @Get()
  @TakesQuery()
  list(@Query() query: unknown): Promise<Page<object>> {
    return this.auditLog.list(OPERATORS_CHAIN, parseQuery(listAuditLog, query));
  }

  @Get('export')
  export(): StreamableFile {
    return asLines(this.auditLog.export(OPERATORS_CHAIN));
  }

  @Get('verification')
  @TakesQuery()
  verify(@Query() query: unknown): Promise<Verification> {
    return this.auditLog.verify(OPERATORS_CHAIN, parseQuery(verifyAuditLog, query).head);
  }
}
