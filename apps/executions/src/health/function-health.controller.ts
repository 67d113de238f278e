import { Controller, Get, Param, UseGuards } from '@nestjs/common';
import { type CloudFunction, sameId, uuid } from '@cf/contract';
import { RegistryCache, RequireScope, TenantGuard } from '@cf/registry-cache';
import { notFound, Operation } from '@cf/service-kit';
import { circuitsView, type FunctionHealth, functionHealthAnswer, LONGEST_WINDOW_MS, windowsView } from './function-health.view.js';
import { FunctionHealthRepository } from './function-health.repository.js';
import { voidUntil } from './void-until.js';

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
  @Operation({
    summary: 'Read the health of a cloud function',
    description:
      'Of the last hour, day and week: calls, success, durations (to within 5 %), why calls failed or were not made, steps on the default path; ' +
      'the circuit of each worker as it last told it (one that said nothing for ten minutes does not count in `state`, and a reset makes void what was said before), and what waits. Tests are left out.',
    answer: functionHealthAnswer,
  })
  async find(@Param('orgId') path: string, @Param('cloudFunctionId') id: string): Promise<FunctionHealth> {
    const [orgId, cloudFunctionId] = [sameId(path), sameId(id)];
    const cloudFunction = uuid.safeParse(id).success ? await this.known(orgId, cloudFunctionId) : undefined;
    if (cloudFunction === undefined) throw notFound('There is no such cloud function.');
    const { nowMs, buckets, circuits, waiting } = await this.health.read(
      { orgId, cloudFunctionId, voidUntil: voidUntil(cloudFunction) },
      LONGEST_WINDOW_MS + MARGIN_MS,
      WAITING_MAX,
    );
    return {
      cloudFunctionId,
      at: new Date(nowMs).toISOString(),
      circuits: circuitsView(circuits),
      waiting: {
        count: Math.min(waiting.count, WAITING_MAX),
        isMore: waiting.count > WAITING_MAX,
        nextDueAt: waiting.nextDueAt?.toISOString() ?? null,
      },
      windows: windowsView(buckets, nowMs),
    };
  }

  private async known(orgId: string, id: string): Promise<CloudFunction | undefined> {
    if (this.registry.cloudFunction(orgId, id) === undefined) await this.registry.caughtUp();
    return this.registry.cloudFunction(orgId, id);
  }
}
