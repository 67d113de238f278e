import { z } from 'zod';
import { whole } from '@cf/service-kit';

export const REGISTRY_CONFIG = Symbol('REGISTRY_CONFIG');

export const registryConfigSchema = z.object({
  /** ms that a write waits for the broker's acknowledgement; longer keeps an admin waiting, shorter answers `pending` more often. */
  REGISTRY_PROPAGATION_WAIT_MS: whole(1, 30_000).default(2_000),
  /** ms between looks at the change log when no hint came; the bound on how late a change is sent when hints are lost. */
  REGISTRY_RELAY_POLL_MS: whole(10, 1_000).default(1_000),
  /** ms until the record of a deleted resource is removed from its topic; a cache that was cut off for longer must start anew. */
  REGISTRY_TOMBSTONE_AFTER_MS: whole(1, 30 * 24 * 3_600_000).default(24 * 3_600_000),
  /** ms that one request for a key rotation works; what is left is for the next one. Proxies give up after 30 or 60 s. */
  REGISTRY_KEY_ROTATION_MS: whole(1, 300_000).default(20_000),
});
export type RegistryConfig = z.infer<typeof registryConfigSchema>;
