import { Readable } from 'node:stream';
import { Controller, Get, Param, Query, StreamableFile, UseGuards } from '@nestjs/common';
import { OperatorGuard, RequireScope, TenantGuard } from '@cf/registry-cache';
import { Operation, pageOf, parseQuery, TakesQuery } from '@cf/service-kit';
import type { Page } from '../http/newest-first.js';
import { ResourceId } from '../http/resource-id.js';
import { entryAnswer, listAuditLog, verificationAnswer, verifyAuditLog } from './audit-log.schema.js';
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
  @TakesQuery(listAuditLog)
  @Operation({ summary: 'List the audit log, newest first', answer: pageOf(entryAnswer) })
  list(@Param('orgId', ResourceId) orgId: string, @Query() query: unknown): Promise<Page<object>> {
    return this.auditLog.list(orgId, parseQuery(listAuditLog, query));
  }

  @Get('export')
  @Operation({
    summary: 'Export the audit log',
    description: 'One entry a line, oldest first, each with the hash before it and its own.',
    answer: 'application/x-ndjson',
  })
  export(@Param('orgId', ResourceId) orgId: string): StreamableFile {
    return asLines(this.auditLog.export(orgId));
  }

  @Get('verification')
  @TakesQuery(verifyAuditLog)
  @Operation({
    summary: 'Verify the audit log',
    description: 'Follows the hashes from the first entry to the last.',
    answer: verificationAnswer,
  })
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
  @TakesQuery(listAuditLog)
  @Operation({ summary: 'List the operators’ audit log, newest first', answer: pageOf(entryAnswer) })
  list(@Query() query: unknown): Promise<Page<object>> {
    return this.auditLog.list(OPERATORS_CHAIN, parseQuery(listAuditLog, query));
  }

  @Get('export')
  @Operation({
    summary: 'Export the operators’ audit log',
    description: 'One entry a line, oldest first, each with the hash before it and its own.',
    answer: 'application/x-ndjson',
  })
  export(): StreamableFile {
    return asLines(this.auditLog.export(OPERATORS_CHAIN));
  }

  @Get('verification')
  @TakesQuery(verifyAuditLog)
  @Operation({
    summary: 'Verify the operators’ audit log',
    description: 'Follows the hashes from the first entry to the last.',
    answer: verificationAnswer,
  })
  verify(@Query() query: unknown): Promise<Verification> {
    return this.auditLog.verify(OPERATORS_CHAIN, parseQuery(verifyAuditLog, query).head);
  }
}
