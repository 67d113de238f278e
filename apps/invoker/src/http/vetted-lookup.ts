import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { AddressGuard } from '@cf/service-kit';
import { type AddressRefusal, codeOf, DialError } from './dial-error.js';
import { dialled, type ResolveHost } from './resolve-host.js';

export interface VettingOptions {
  readonly guard: AddressGuard;
  readonly resolve: ResolveHost;
  readonly onRefused: (refusal: AddressRefusal) => void;
}

/** Throws unless every address of the host may be dialled. */
export const vet = (host: string, addresses: readonly string[], { guard, onRefused }: VettingOptions): void => {
  for (const address of addresses) {
    const rule = guard.ruleAgainst(address);
    if (rule === null) continue;
    onRefused({ host, address, rule });
    throw new DialError('blocked_address', 'address not allowed');
  }
};

/** The addresses of one host, all of them vetted; one look-up serves whoever waits for it. */
export const vettedAddresses = (host: string, options: VettingOptions): (() => Promise<readonly LookupAddress[]>) => {
  let underWay: Promise<readonly LookupAddress[]> | null = null;
  const lookUp = async (): Promise<readonly LookupAddress[]> => {
    const addresses = await options.resolve(host).catch((error: unknown) => {
      throw new DialError('dns', codeOf(error));
    });
    if (addresses.length === 0) throw new DialError('dns', 'ENODATA');
    vet(
      host,
      addresses.map(({ address }) => address),
      options,
    );
    return dialled(addresses);
  };
  return () =>
    (underWay ??= lookUp().finally(() => {
      underWay = null;
    }));
};

/** The look-up that a socket itself uses, so that nothing is asked again between check and use. */
export const lookupOf =
  (addresses: () => Promise<readonly LookupAddress[]>): LookupFunction =>
  (_hostname, options, callback) => {
    addresses().then(
      (found) => {
        const [first] = found;
        if (options.all === true) callback(null, [...found]);
        else callback(null, first?.address ?? '', first?.family);
      },
      (error: Error) => callback(error as NodeJS.ErrnoException, '', 0),
    );
  };
