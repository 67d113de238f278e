import { AddressGuard, LOGGER, Metrics, PLATFORM, type PlatformConfig } from '@cf/service-kit';
import type { Provider } from '@nestjs/common';
import type { Logger } from 'pino';
import { AddressRefusals } from './address-refusals.js';
import { hostResolver } from './http/resolve-host.js';
import type { VettingOptions } from './http/vetted-lookup.js';
import { INVOKER_CONFIG, type InvokerConfig } from './invoker.config.js';

/** How this process finds and judges the addresses of customers' hosts, the same for live, test, retry and token calls. */
export const DIALING = Symbol('DIALING');

export const dialingProvider: Provider = {
  provide: DIALING,
  useFactory: (platform: PlatformConfig, config: InvokerConfig, metrics: Metrics, logger: Logger): VettingOptions => {
    const refusals = new AddressRefusals(metrics, logger);
    return {
      guard: new AddressGuard({ allowed: platform.allowedAddresses, denied: platform.deniedAddresses }),
      resolve: hostResolver({ servers: config.dnsServers }),
      onRefused: (refusal) => refusals.add(refusal),
    };
  },
  inject: [PLATFORM, INVOKER_CONFIG, Metrics, LOGGER],
};
