import { RESPONSE_HEADER_BYTES_MAX } from '@cf/contract';
import { Pool } from 'undici';
import type { EndpointTls } from './endpoint-tls.js';
import { guardedDial } from './guarded-connector.js';
import type { VettingOptions } from './vetted-lookup.js';

/** Below the 5 s after which Node's own servers close a quiet connection: the race for it is lost by nobody. */
const CONNECTION_IDLE_MS = 4_000;
/** A server may ask for longer with `Keep-Alive: timeout`; beyond a minute a quiet connection is only a held socket. */
const CONNECTION_IDLE_MS_MAX = 60_000;
/** A connection is dialled anew, and its address checked anew, at least this often: endpoints move and rules change. */
const REQUESTS_PER_CONNECTION_MAX = 1_000;
/** A pool without calls for so long has no connections any more; a new one costs microseconds. */
const POOL_IDLE_MS = 60_000;
const SWEEP_MS = 15_000;
/** Pools that trust authorities of their own, 1.4 MB each. */
const OWN_ROOTS_POOLS_MAX = 200;

interface Entry {
  readonly pool: Pool;
  readonly tls: EndpointTls | null;
  inUse: number;
  usedAtMs: number;
}

export interface EndpointPoolsOptions {
  readonly dialing: VettingOptions;
  /** Connections of one pool; as many as the lane has calls at once, so that no call waits inside a pool. */
  readonly connectionsMax: number;
  /** Pools kept; above it the one that was idle longest goes. */
  readonly poolsMax: number;
}

/**
 * The connections of one lane: a pool for each (organization, origin), never shared between organizations, so that nothing
 * that one organization's endpoint does to a connection is seen by another. An API with TLS settings has a pool of its own;
 * when they change, the calls under way end on the old one and the next call opens another.
 */
export class EndpointPools {
  /** Least recently used first. */
  private readonly entries = new Map<string, Entry>();
  private readonly sweeper = setInterval(() => this.sweep(), SWEEP_MS).unref();

  constructor(private readonly options: EndpointPoolsOptions) {}

  get size(): number {
    return this.entries.size;
  }

  /** The pool of an origin, counted as in use until `release`. */
  acquire(
    orgId: string,
    { origin, tls }: { readonly origin: string; readonly tls: EndpointTls | null },
  ): { readonly pool: Pool; readonly release: () => void } {
    const key = tls === null ? `${orgId} ${origin}` : `${orgId} ${origin} ${tls.apiId}`;
    let entry = this.entries.get(key);
    if (entry !== undefined && entry.tls?.fingerprint !== tls?.fingerprint) {
      this.drop(key, entry);
      entry = undefined;
    }
    if (entry === undefined) {
      this.makeRoom(tls);
      entry = { pool: this.open(origin, tls), tls, inUse: 0, usedAtMs: 0 };
    } else {
      this.entries.delete(key);
    }
    this.entries.set(key, entry);
    const held = entry;
    held.inUse++;
    held.usedAtMs = Date.now();
    return { pool: held.pool, release: () => void held.inUse-- };
  }

  async close(): Promise<void> {
    clearInterval(this.sweeper);
    const pools = [...this.entries.values()].map(({ pool }) => pool.destroy());
    this.entries.clear();
    await Promise.all(pools);
  }

  private open(origin: string, tls: EndpointTls | null): Pool {
    const { dialing, connectionsMax } = this.options;
    const dial = guardedDial(origin, { ...dialing, tls });
    return new Pool(origin, {
      connections: connectionsMax,
      pipelining: 1,
      keepAliveTimeout: CONNECTION_IDLE_MS,
      keepAliveMaxTimeout: CONNECTION_IDLE_MS_MAX,
      maxRequestsPerClient: REQUESTS_PER_CONNECTION_MAX,
      maxHeaderSize: RESPONSE_HEADER_BYTES_MAX,
      // The exchange has one timer for everything.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: (_options, callback) => dial(callback),
    });
  }

  private sweep(): void {
    const idleSince = Date.now() - POOL_IDLE_MS;
    for (const [key, entry] of this.entries) {
      if (entry.usedAtMs > idleSince) return;
      if (entry.inUse === 0) this.drop(key, entry);
    }
  }

  private makeRoom(tls: EndpointTls | null): void {
    if (this.entries.size >= this.options.poolsMax) this.evictOldest(() => true);
    if (tls === null || tls.caBundle === null) return;
    const hasOwnRoots = (entry: Entry): boolean => entry.tls !== null && entry.tls.caBundle !== null;
    if ([...this.entries.values()].filter(hasOwnRoots).length >= OWN_ROOTS_POOLS_MAX) this.evictOldest(hasOwnRoots);
  }

  private evictOldest(among: (entry: Entry) => boolean): void {
    for (const [key, entry] of this.entries) {
      if (entry.inUse === 0 && among(entry)) return this.drop(key, entry);
    }
  }

  private drop(key: string, entry: Entry): void {
    this.entries.delete(key);
    entry.pool.close().catch(() => undefined);
  }
}
