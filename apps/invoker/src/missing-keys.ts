import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { sameId } from '@cf/contract';
import { RegistryCache } from '@cf/registry-cache';
import { Health, InvalidSettingsError, KeyRing, PLATFORM, type PlatformConfig } from '@cf/service-kit';

/**
 * Watches that every secret can be opened (guarantees.md §6). A start without a key that is in use is refused; a key that comes into
 * use later turns the process red, so that a roll-out stops before its calls fail.
 */
@Injectable()
export class MissingKeys implements OnApplicationBootstrap {
  /** Of each resource that has a secret which cannot be opened, the keys that are lacking. */
  private readonly byResource = new Map<string, readonly string[]>();

  constructor(@Inject(PLATFORM) { keyRing }: PlatformConfig, cache: RegistryCache, health: Health) {
    cache.onChange(({ id, resource }) => {
      const missing = [...KeyRing.keyIdsIn(JSON.stringify(resource))].filter((keyId) => !keyRing.has(keyId));
      if (missing.length > 0) this.byResource.set(sameId(id), missing);
      else this.byResource.delete(sameId(id));
    });
    health.register('encryption-keys', () => {
      const ids = this.ids();
      return ids.length === 0 ? { ok: true, detail: 'all there' } : { ok: false, detail: `ENCRYPTION_KEYS lacks ${ids.join(', ')}` };
    });
  }

  onApplicationBootstrap(): void {
    const ids = this.ids();
    if (ids.length === 0) return;
    throw new InvalidSettingsError([{ name: 'ENCRYPTION_KEYS', detail: `lacks ${ids.join(', ')}, with which secrets are sealed` }]);
  }

  private ids(): string[] {
    return [...new Set([...this.byResource.values()].flat())].toSorted();
  }
}
