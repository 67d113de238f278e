import { Inject, Injectable } from '@nestjs/common';
import { MESSAGE_LOG, type MessageLog } from '@cf/messaging';
import { RegistryCache } from '@cf/registry-cache';

/** `unknown`: the registry cannot be asked now, so nothing may be concluded from its silence. */
export type Standing = 'active' | 'inactive' | 'unknown';

/** Whether a trigger still wants its work done: disabling or deleting it cancels what waits (product.md §6). */
@Injectable()
export class TriggerStanding {
  constructor(
    private readonly registry: RegistryCache,
    @Inject(MESSAGE_LOG) private readonly log: MessageLog,
  ) {}

  async of(orgId: string, triggerId: string | null): Promise<Standing> {
    if (triggerId === null) return 'active';
    const known = this.registry.trigger(orgId, triggerId);
    if (known !== undefined) return known.enabled ? 'active' : 'inactive';
    if (this.registry.versionOf(triggerId) !== undefined) return 'inactive';
    await this.registry.caughtUp();
    if (this.registry.trigger(orgId, triggerId) !== undefined) return this.of(orgId, triggerId);
    return this.log.status().ok ? 'inactive' : 'unknown';
  }
}
