import { readConfig, whole } from '@cf/service-kit';
import { z } from 'zod';

export const GATEWAY_CONFIG = Symbol('GATEWAY_CONFIG');

/** Settings of the gateway, with unit, default and consequence. */
export const gatewaySchema = z.object({
  /** Step executions that wait for their result at once; a waiting one is an open connection and about 10 KB. More get 503. */
  GATEWAY_WAITING_STEPS_MAX: whole(1, 200_000).default(10_000),
  /** Of these, those of one organization: a quarter, so that it cannot take the places of all others. More get 429. */
  GATEWAY_WAITING_STEPS_OF_ORGANIZATION_MAX: whole(1, 200_000).default(2_500),
  /** Bytes of events that wait to be acknowledged by the log; 64 MiB are twelve of the largest batches. More get 503. */
  GATEWAY_UNACKNOWLEDGED_BYTES_MAX: whole(5 * 1024 * 1024, 4 * 1024 * 1024 * 1024).default(64 * 1024 * 1024),
  /** Of these, those of one organization: a quarter, three of the largest batches. More get 429. */
  GATEWAY_UNACKNOWLEDGED_BYTES_OF_ORGANIZATION_MAX: whole(5 * 1024 * 1024, 4 * 1024 * 1024 * 1024).default(16 * 1024 * 1024),
  /** Recent results kept to tell a first one from a later one, about 1 KB each. */
  GATEWAY_RECENT_RESULTS_MAX: whole(0, 1_000_000).default(20_000),
  /** ms that the log may take to acknowledge before the caller is told 503; the write may still happen, ids make a repeat safe. */
  GATEWAY_PUBLISH_TIMEOUT_MS: whole(100, 30_000).default(4_000),
});
export type GatewayConfig = z.infer<typeof gatewaySchema>;

export const readGatewayConfig = (): GatewayConfig => readConfig(gatewaySchema);
