import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { RegistryCache } from '@cf/registry-cache';
import { LOGGER } from '@cf/service-kit';
import type { Logger } from 'pino';
import { DueRepository } from './due.repository.js';

/**
 * Cancels what waits for a trigger as soon as it is disabled or deleted. What this misses (a crash, Postgres away, a result that comes
 * afterwards) the claimer finds when it is due.
 */
@Injectable()
export class TriggerChanges implements OnModuleInit {
  private readonly ended = new Set<string>();
  private cancelling: Promise<void> | null = null;

  constructor(
    private readonly registry: RegistryCache,
    private readonly due: DueRepository,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.registry.onChange((change) => {
      if (change.type !== 'trigger' || (!change.deleted && change.resource.enabled)) return;
      this.ended.add(change.id);
      this.cancelling ??= this.cancelAll();
    });
  }

  async stop(): Promise<void> {
    await this.cancelling;
  }

  private async cancelAll(): Promise<void> {
    while (this.ended.size > 0) {
      const ids = [...this.ended];
      this.ended.clear();
      try {
        await this.due.cancelTriggers(ids);
      } catch (error) {
        this.logger.warn({ err: error }, 'what waits for ended triggers is cancelled once it is due');
      }
    }
    this.cancelling = null;
  }
}
