/**
 * Finds the addresses of customers' hosts, without the system's own look-up (getaddrinfo): that one holds one of a few threads of
 * the process, and names whose server never answers, which anybody can register, would hold them all and with them files and
 * decompression. Here a question is a datagram, and any number of them wait for as long as they like.
 *
 * Order as usual: hosts file, then DNS, both families at once. No search domains: names are complete. Nothing is kept: connections
 * are, and each new one asks anew.
 */
import type { LookupAddress } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';

/** One try takes so long, the second one twice as long; then the family counts as silent. */
const QUERY_MS = 1_500;
const TRIES = 2;
const HOSTS_FILE_MS = 5_000;
/** Of each family. All are vetted; so many are tried, each 250 ms before the next one. */
const DIALLED_MAX = 5;

export type ResolveHost = (hostname: string) => Promise<readonly LookupAddress[]>;

/** Names and addresses of a hosts file; the names in lower case. */
export const readHostsFile = (text: string): ReadonlyMap<string, readonly LookupAddress[]> => {
  const hosts = new Map<string, LookupAddress[]>();
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    const family = isIP(address);
    if (family === 0) continue;
    for (const name of names) {
      const key = name.toLowerCase();
      hosts.set(key, [...(hosts.get(key) ?? []), { address, family }]);
    }
  }
  return hosts;
};

/** What the file says, read again when that is older than a few seconds. */
const hostsOf = (file: string): (() => Promise<ReadonlyMap<string, readonly LookupAddress[]>>) => {
  let read: { readonly hosts: Promise<ReadonlyMap<string, readonly LookupAddress[]>>; readonly atMs: number } | undefined;
  return () => {
    const nowMs = Date.now();
    if (read === undefined || nowMs - read.atMs > HOSTS_FILE_MS) {
      const hosts = readFile(file, 'utf8').then(readHostsFile, () => new Map<string, readonly LookupAddress[]>());
      read = { hosts, atMs: nowMs };
    }
    return read.hosts;
  };
};

const LOOPBACK: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

const withoutDot = (hostname: string): string => hostname.toLowerCase().replace(/\.$/, '');

export interface ResolverOptions {
  /** `address` or `address:port`; none: the system's. */
  readonly servers: readonly string[];
  readonly hostsFile?: string;
}

/** A look-up that rejects with the code of DNS (`ENOTFOUND`, `ESERVFAIL`, `ETIMEOUT`, …). IPv4 first: it is what most hosts have. */
export const hostResolver = ({ servers, hostsFile = '/etc/hosts' }: ResolverOptions): ResolveHost => {
  const hosts = hostsOf(hostsFile);
  return async (hostname) => {
    const name = withoutDot(hostname);
    const known = (await hosts()).get(name) ?? (name === 'localhost' ? LOOPBACK : undefined);
    if (known !== undefined) return known;
    // One for each look-up (0.1 ms): an answer that is no DNS spoils all questions on its socket, and settings are read anew.
    const resolver = new Resolver({ timeout: QUERY_MS, tries: TRIES });
    if (servers.length > 0) resolver.setServers(servers);
    const [v4, v6] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const found = [
      ...(v4.status === 'fulfilled' ? v4.value.map((address) => ({ address, family: 4 })) : []),
      ...(v6.status === 'fulfilled' ? v6.value.map((address) => ({ address, family: 6 })) : []),
    ];
    if (found.length === 0 && v4.status === 'rejected') throw v4.reason;
    return found;
  };
};

/** The first few addresses of each family. */
export const dialled = (addresses: readonly LookupAddress[]): LookupAddress[] =>
  [4, 6].flatMap((family) => addresses.filter((address) => address.family === family).slice(0, DIALLED_MAX));
