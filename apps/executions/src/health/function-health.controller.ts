import { Controller, Get, Param, UseGuards } from '@nestjs/common';
import { sameId, uuid } from '@cf/contract';
import { RegistryCache, RequireScope, TenantGuard } from '@cf/registry-cache';
import { notFound } from '@cf/service-kit';
import { circuitsView, LONGEST_WINDOW_MS, windowsView } from './function-health.view.js';
import { FunctionHealthRepository } from './function-health.repository.js';

/** Counted up to here; more is "many", and counting further tells nobody anything. */
const WAITING_MAX = 10_000;
/** The hour that the longest window begins in. */
const MARGIN_MS = 60 * 60_000;

@Controller('v1/orgs/:orgId/cloud-functions/:cloudFunctionId/health')
@UseGuards(TenantGuard)
export class FunctionHealthController {
  constructor(
    private readonly health: FunctionHealthRepository,
    private readonly registry: RegistryCache,
  ) {}

  @Get()
  @RequireScope('executions:read')
  async find(@Param('orgId') path: string, @Param('cloudFunctionId') id: string) {
    const [orgId, cloudFunctionId] = [sameId(path), sameId(id)];
    if (!uuid.safeParse(id).success || !(await this.isKnown(orgId, cloudFunctionId))) throw notFound('There is no such cloud function.');
    const now = Date.now();
    const { buckets, circuits, waiting } = await this.health.read(
      orgId,
      cloudFunctionId,
      new Date(now - LONGEST_WINDOW_MS - MARGIN_MS),
      WAITING_MAX,
    );
    return {
      cloudFunctionId,
      at: new Date(now).toISOString(),
      circuits: circuitsView(circuits),
      waiting: {
        count: Math.min(waiting.count, WAITING_MAX),
        isMore: waiting.count > WAITING_MAX,
        nextDueAt: waiting.nextDueAt?.toISOString() ?? null,
      },
      windows: windowsView(buckets, now),
    };
  }

  private async isKnown(orgId: string, id: string): Promise<boolean> {
    if (this.registry.cloudFunction(orgId, id) === undefined) await this.registry.caughtUp();
    return this.registry.cloudFunction(orgId, id) !== undefined;
  }
}
