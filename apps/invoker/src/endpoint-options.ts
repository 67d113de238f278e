import type { PlatformConfig } from '@cf/service-kit';
import type { EndpointOptions } from './http/endpoint.js';
import type { AccessTokens } from './oauth/access-tokens.js';
import { USER_AGENT } from './user-agent.js';

/** The key ring is read at first use. */
export const endpointOptionsOf = (platform: PlatformConfig, accessTokens: AccessTokens): EndpointOptions => ({
  keyRing: platform.keyRing,
  allowHttp: platform.allowHttp,
  userAgent: USER_AGENT,
  accessTokens,
});
