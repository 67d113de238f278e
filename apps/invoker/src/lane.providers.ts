import { type Lane } from '@cf/contract';
import { MESSAGE_LOG, type MessageLog } from '@cf/messaging';
import { RegistryCache } from '@cf/registry-cache';
import { LOGGER, PLATFORM, type PlatformConfig } from '@cf/service-kit';
import type { Provider } from '@nestjs/common';
import type { Logger } from 'pino';
import { EndpointCaller } from './call-endpoint.js';
import { DIALING } from './dialing.provider.js';
import { CustomerHttp } from './http/customer-http.js';
import type { VettingOptions } from './http/vetted-lookup.js';
import { InvocationResultsPublisher } from './invocation-results.publisher.js';
import { Invoker } from './invoke.js';
import { InvokerMetrics } from './invoker-metrics.js';
import { INVOKER_CONFIG, type InvokerConfig } from './invoker.config.js';
import { AskedPauses } from './limits/asked-pauses.js';
import { CircuitBreakers } from './limits/circuit-breakers.js';
import { FunctionConcurrency, functionKey } from './limits/function-concurrency.js';
import { OwnedPartitions } from './limits/owned-partitions.js';
import { endpointOptionsOf } from './endpoint-options.js';
import { StepSlots } from './limits/step-slots.js';
import { TriggerVerdicts } from './limits/trigger-verdicts.js';
import { AccessTokens } from './oauth/access-tokens.js';

/** Origins whose connections are kept at once (18 KB each without connections); more than this only dial again. */
const POOLS_MAX = 4_000;
/** Functions whose circuit is remembered (9 KB each, 90 MB); of more than this, those called least lately count from zero, at half as much CPU time again a call. */
const CIRCUITS_MAX = 10_000;

const createBreakers = (
  lane: Lane,
  config: InvokerConfig,
  cache: RegistryCache,
  verdicts: TriggerVerdicts,
  metrics: InvokerMetrics,
): CircuitBreakers => {
  const stepsWaitMs = lane === 'step' && config.lanes.includes('trigger') ? config.stepsWaitMs : 0;
  const rules = { circuitsMax: CIRCUITS_MAX, probes: config.circuitProbes, stepsWaitMs };
  const breakers = new CircuitBreakers(rules, (to) => metrics.circuitChanged(lane, to));
  if (lane === 'step') verdicts.listen((key, failed) => breakers.heard(key, failed));
  cache.onChange((change) => {
    if (change.type !== 'cloud-function' || change.deleted) return;
    breakers.reset(functionKey(change.resource.orgId, change.id), change.resource.circuitResetAt);
  });
  return breakers;
};

const createInvoker = (
  lane: Lane,
  config: InvokerConfig,
  platform: PlatformConfig,
  logger: Logger,
  cache: RegistryCache,
  concurrency: FunctionConcurrency,
  pauses: AskedPauses,
  verdicts: TriggerVerdicts,
  metrics: InvokerMetrics,
  accessTokens: AccessTokens,
  dialing: VettingOptions,
): Invoker => {
  const http = new CustomerHttp({
    dialing,
    connectionsMax: config.callsMax[lane],
    poolsMax: POOLS_MAX,
  });
  const breakers = createBreakers(lane, config, cache, verdicts, metrics);
  metrics.observe(lane, { http, breakers, concurrency });
  const endpointOptions = endpointOptionsOf(platform, accessTokens);
  const caller = new EndpointCaller({ lane, http, breakers, concurrency, pauses, verdicts, metrics });
  return new Invoker({ lane, cache, caller, breakers, concurrency, slots: new StepSlots(), pauses, endpointOptions, metrics, logger });
};

/** What a lane owns, each its own: publisher, connections, circuits, limits (invariant 10). */
export const laneProviders = (lane: Lane): Provider[] => [
  OwnedPartitions,
  {
    provide: FunctionConcurrency,
    useFactory: (cache: RegistryCache, owned: OwnedPartitions) => new FunctionConcurrency(lane, cache, owned),
    inject: [RegistryCache, OwnedPartitions],
  },
  {
    provide: InvocationResultsPublisher,
    useFactory: (log: MessageLog) => new InvocationResultsPublisher(lane, log),
    inject: [MESSAGE_LOG],
  },
  {
    provide: Invoker,
    useFactory: (
      ...parts: [
        InvokerConfig,
        PlatformConfig,
        Logger,
        RegistryCache,
        FunctionConcurrency,
        AskedPauses,
        TriggerVerdicts,
        InvokerMetrics,
        AccessTokens,
        VettingOptions,
      ]
    ) => createInvoker(lane, ...parts),
    inject: [
      INVOKER_CONFIG,
      PLATFORM,
      LOGGER,
      RegistryCache,
      FunctionConcurrency,
      AskedPauses,
      TriggerVerdicts,
      InvokerMetrics,
      AccessTokens,
      DIALING,
    ],
  },
];
