import { Controller, HttpCode, Param, Post, UseGuards } from '@nestjs/common';
import { sameId } from '@cf/contract';
import { actorOf, CurrentPrincipal, type Principal, RegistryCache, RequireScope, TenantGuard } from '@cf/registry-cache';
import { AuditTrail, notFound, Operation, Problem } from '@cf/service-kit';
import { type ConnectionTest, connectionTestAnswer, ConnectionTests } from './connection-tests.js';

/** Tests of one organization at once: each may hold two connections for ten seconds. */
const RUNNING_MAX = 3;

@Controller('v1/orgs/:orgId/registered-apis/:id/connection-tests')
@UseGuards(TenantGuard)
export class ConnectionTestsController {
  private readonly running = new Map<string, number>();

  constructor(
    private readonly cache: RegistryCache,
    private readonly tests: ConnectionTests,
    private readonly audit: AuditTrail,
  ) {}

  @Post()
  @HttpCode(200)
  @RequireScope('registered-apis:write')
  @Operation({
    summary: 'Try the connection of a registered API',
    description: 'Its address, TLS and token; nothing is sent to its endpoints.',
    answer: connectionTestAnswer,
    problems: ['too_many_requests'],
  })
  async test(@Param('orgId') orgId: string, @Param('id') id: string, @CurrentPrincipal() principal: Principal): Promise<ConnectionTest> {
    // An edit that was acknowledged a moment ago is what gets tested.
    await this.cache.caughtUp();
    const api = this.cache.registeredApi(orgId, id);
    if (api === undefined) throw notFound('There is no such Registered API.');
    const key = sameId(orgId);
    const running = this.running.get(key) ?? 0;
    if (running >= RUNNING_MAX) {
      throw new Problem(429, 'too_many_requests', `${RUNNING_MAX} connection tests are running already.`, [], { 'retry-after': '1' });
    }
    this.running.set(key, running + 1);
    try {
      this.audit.note({
        orgId,
        actor: actorOf(principal),
        action: 'registered-api.connection-tested',
        outcome: 'done',
        subject: { type: 'registered-api', id },
        details: {},
      });
      return await this.tests.run(api);
    } finally {
      const left = (this.running.get(key) ?? 1) - 1;
      if (left === 0) this.running.delete(key);
      else this.running.set(key, left);
    }
  }
}
