import { promises as dns, type LookupAddress } from 'node:dns';
import { connect as dial, isIP, type LookupFunction, type Socket } from 'node:net';
import { connect as dialSecurely } from 'node:tls';
import type { buildConnector } from 'undici';
import type { AddressGuard } from './address-guard.js';
import { meterAnswers } from './wire-meter.js';

/** The longest timeout of a function: an exchange always gives up first, and a dead host does not hold a socket beyond it. */
const DIAL_MS_MAX = 30_000;
/** Finds a peer that vanished without a word while its connection was kept. */
const TCP_KEEP_ALIVE_MS = 60_000;

export type DialFailure = 'dns' | 'tls' | 'connection' | 'blocked_address';

/** A connection that did not come about; nothing of a request was sent. `message` names no address. */
export class DialError extends Error {
  constructor(
    readonly reason: DialFailure,
    message: string,
  ) {
    super(message);
    this.name = 'DialError';
  }
}

export type ResolveHost = (hostname: string) => Promise<readonly LookupAddress[]>;

const resolveHost: ResolveHost = (hostname) => dns.lookup(hostname, { all: true });

const codeOf = (error: unknown): string => (error as { code?: string }).code ?? (error as Error).message;

const blocked = (): DialError => new DialError('blocked_address', 'the host has an address that is not public');

/** Resolves once for all connections that are waiting for it, and lets a host through only when every address may be dialled. */
const vettedLookup = (guard: AddressGuard, resolve: ResolveHost): LookupFunction => {
  let underWay: Promise<readonly LookupAddress[]> | null = null;
  const vetted = async (hostname: string): Promise<readonly LookupAddress[]> => {
    const addresses = await resolve(hostname).catch((error: unknown) => {
      throw new DialError('dns', codeOf(error));
    });
    if (addresses.length === 0) throw new DialError('dns', 'ENODATA');
    if (!addresses.every(({ address }) => guard.permits(address))) throw blocked();
    return addresses;
  };
  return (hostname, options, callback) => {
    underWay ??= vetted(hostname).finally(() => {
      underWay = null;
    });
    underWay.then(
      (addresses) => {
        const [first] = addresses;
        if (options.all === true) callback(null, [...addresses]);
        else callback(null, first?.address ?? '', first?.family);
      },
      (error: Error) => callback(error as NodeJS.ErrnoException, '', 0),
    );
  };
};

export interface ConnectorOptions {
  readonly guard: AddressGuard;
  readonly resolve?: ResolveHost;
}

/**
 * Opens connections to one origin. The check is on the address that is dialled: a literal one here, the resolved ones in the
 * look-up that the socket itself uses, so there is no second look-up between check and use. Every failure is a `DialError`.
 */
export const guardedConnector = ({ guard, resolve = resolveHost }: ConnectorOptions): buildConnector.connector => {
  const lookup = vettedLookup(guard, resolve);
  let session: Buffer | undefined;

  return ({ hostname, protocol, port }, callback) => {
    const literal = isIP(hostname) !== 0;
    if (literal && !guard.permits(hostname)) {
      queueMicrotask(() => callback(blocked(), null));
      return;
    }
    const secure = protocol === 'https:';
    const target = {
      host: hostname,
      port: Number(port || (secure ? 443 : 80)),
      lookup,
      autoSelectFamily: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
    };
    const socket: Socket = secure
      ? dialSecurely({
          ...target,
          ...(!literal && { servername: hostname }),
          ...(session !== undefined && { session }),
          ALPNProtocols: ['http/1.1'],
          minVersion: 'TLSv1.2',
          rejectUnauthorized: true,
        }).on('session', (ticket) => {
          session = ticket;
        })
      : dial(target);

    let reached = false;
    const timer = setTimeout(() => socket.destroy(new DialError('connection', 'ETIMEDOUT')), DIAL_MS_MAX);
    const failed = (error: Error): void => {
      clearTimeout(timer);
      callback(error instanceof DialError ? error : new DialError(secure && reached ? 'tls' : 'connection', codeOf(error)), null);
    };
    socket.once('connect', () => {
      reached = true;
    });
    socket.once('error', failed);
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      socket.off('error', failed);
      meterAnswers(socket);
      callback(null, socket);
    });
  };
};
