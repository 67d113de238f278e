import { PLATFORM, type PlatformConfig } from '@cf/service-kit';
import type { Provider } from '@nestjs/common';
import { DIALING } from '../dialing.provider.js';
import { endpointOptionsOf } from '../endpoint-options.js';
import type { VettingOptions } from '../http/vetted-lookup.js';
import { AccessTokens } from '../oauth/access-tokens.js';
import { ConnectionTests } from './connection-tests.js';

export const connectionTestsProvider: Provider = {
  provide: ConnectionTests,
  useFactory: (platform: PlatformConfig, accessTokens: AccessTokens, dialing: VettingOptions) =>
    new ConnectionTests(endpointOptionsOf(platform, accessTokens), dialing),
  inject: [PLATFORM, AccessTokens, DIALING],
};
