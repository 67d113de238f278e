import type { CloudFunction, RegisteredApi } from '@cf/contract';
import { type Endpoint, type EndpointOptions, type EndpointRefusal, prepareEndpoint } from './http/endpoint.js';
import { functionKey } from './limits/function-concurrency.js';
import { prepareSigner, type Signer, type SigningRefusal } from './signing/signer.js';

/** Where a function is called and how its requests are signed, ready to use. */
export interface Callee {
  /** What circuit, slots and limits of the function are filed under. */
  readonly key: string;
  readonly endpoint: Endpoint;
  readonly signer: Signer | null;
}

const withoutHeaders = (endpoint: Endpoint, names: readonly string[]): Endpoint => {
  const isKept = (name: string): boolean => !names.includes(name.toLowerCase());
  return {
    ...endpoint,
    headers: endpoint.headers.filter((_, place, all) => isKept(all[place - (place % 2)] ?? '')),
    loggedHeaders: Object.fromEntries(Object.entries(endpoint.loggedHeaders).filter(([name]) => isKept(name))),
  };
};

export type CalleeRefusal = EndpointRefusal | SigningRefusal;

/** Made once for each state of function and API. Never throws. */
export const prepareCallee = (cloudFunction: CloudFunction, api: RegisteredApi, options: EndpointOptions): Callee | CalleeRefusal => {
  const endpoint = prepareEndpoint(cloudFunction, api, options);
  if ('reason' in endpoint) return endpoint;
  const signer = prepareSigner(cloudFunction, options.keyRing);
  const key = functionKey(cloudFunction.orgId, cloudFunction.id);
  if (signer === null) return { key, endpoint, signer };
  if ('reason' in signer) return signer;
  return { key, endpoint: withoutHeaders(endpoint, signer.headerNames), signer };
};
