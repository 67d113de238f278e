import { isIP } from 'node:net';
import type { PlatformConfig } from '@cf/service-kit';
import ipaddr from 'ipaddr.js';

/** What a name such as `localhost`, or listening everywhere, is called by. */
const LOOPBACK = ['127.0.0.1', '::1'];

/** Whether the settings let the demo customer be called, who answers over plain http where this process listens. */
export const mayCallDemo = ({
  host,
  allowHttp,
  allowedAddresses,
}: Pick<PlatformConfig, 'host' | 'allowHttp' | 'allowedAddresses'>): boolean => {
  const networks = allowedAddresses.map((cidr) => ipaddr.parseCIDR(cidr));
  const isAllowed = (text: string): boolean => {
    const address = ipaddr.parse(text);
    return networks.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits));
  };
  const listensAt = isIP(host) === 0 || host === '0.0.0.0' || host === '::' ? LOOPBACK : [host];
  return allowHttp && listensAt.every(isAllowed);
};
