import { Metrics, PLATFORM, type PlatformConfig } from '@cf/service-kit';
import type { Provider } from '@nestjs/common';
import { DIALING } from '../dialing.provider.js';
import { CustomerHttp } from '../http/customer-http.js';
import type { VettingOptions } from '../http/vetted-lookup.js';
import { USER_AGENT } from '../user-agent.js';
import { AccessTokens } from './access-tokens.js';

/** One request at a time for each API; so many of one organization may share a token server. */
const CONNECTIONS_MAX = 50;
/** Token servers whose connections are kept at once; more than this only dial again. */
const POOLS_MAX = 1_000;

export const accessTokensProvider: Provider = {
  provide: AccessTokens,
  useFactory: ({ allowHttp }: PlatformConfig, metrics: Metrics, dialing: VettingOptions) =>
    new AccessTokens({
      http: new CustomerHttp({ dialing, connectionsMax: CONNECTIONS_MAX, poolsMax: POOLS_MAX }),
      allowHttp,
      userAgent: USER_AGENT,
      asked: metrics.counter('cf_token_requests_total', 'Requests to customers’ token servers by outcome', ['outcome']),
    }),
  inject: [PLATFORM, Metrics, DIALING],
};
