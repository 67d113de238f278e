/**
 * Opens connections to one origin, for undici and for the connection test.
 *
 * look-up (names only) – vet: every address has to pass – dial the vetted ones, the next one 250 ms after one that is silent –
 * TLS. A literal address is vetted before the socket is made. Every failure is a `DialError`.
 */
import { connect as dial, isIP, type Socket } from 'node:net';
import { connect as dialSecurely, type SecureContext } from 'node:tls';
import type { buildConnector } from 'undici';
import { codeOf, DialError } from './dial-error.js';
import { type EndpointTls, secureContextOf } from './endpoint-tls.js';
import { describeTlsFailure } from './tls-failure.js';
import { lookupOf, vet, vettedAddresses, type VettingOptions } from './vetted-lookup.js';
import { meterAnswers } from './wire-meter.js';

/** The longest timeout of a function: an exchange always gives up first, and a dead host does not hold a socket beyond it. */
const DIAL_MS_MAX = 30_000;
/** An address that is silent for so long gives way to the next one (RFC 8305 §5). */
const NEXT_ADDRESS_MS = 250;
/** Finds a peer that vanished without a word while its connection was kept. */
const TCP_KEEP_ALIVE_MS = 60_000;

export interface ConnectorOptions extends VettingOptions {
  readonly tls: EndpointTls | null;
}

/** How far a dial came. */
export interface DialProgress {
  vetted(): void;
  connected(): void;
}

const withoutBrackets = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, '$1');

/** Dials once. */
export type Dial = (callback: buildConnector.Callback) => void;

/** One for each origin and its TLS settings. */
export const guardedDial = (origin: string, options: ConnectorOptions, progress?: DialProgress): Dial => {
  const { protocol, hostname, port } = new URL(origin);
  const host = withoutBrackets(hostname);
  const secure = protocol === 'https:';
  const isLiteral = isIP(host) !== 0;
  const addresses = vettedAddresses(host, options);
  const lookup = lookupOf(() =>
    addresses().then((found) => {
      progress?.vetted();
      return found;
    }),
  );
  let context: SecureContext | undefined;
  let session: Buffer | undefined;

  const target = {
    host,
    port: Number(port || (secure ? 443 : 80)),
    lookup,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
  };

  const open = (): Socket => {
    if (isLiteral) {
      vet(host, [host], options);
      progress?.vetted();
    }
    if (!secure) return dial(target);
    try {
      context ??= secureContextOf(options.tls);
    } catch {
      throw new DialError('tls', 'the TLS settings of the Registered API cannot be used');
    }
    return dialSecurely({
      ...target,
      ...(!isLiteral && { servername: host }),
      ...(session !== undefined && { session }),
      secureContext: context,
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: true,
    }).on('session', (ticket) => {
      session = ticket;
    });
  };

  return (callback) => {
    let socket: Socket;
    try {
      socket = open();
    } catch (error) {
      queueMicrotask(() => callback(error as Error, null));
      return;
    }
    let reached = false;
    const timer = setTimeout(() => socket.destroy(new DialError('connection', 'ETIMEDOUT')), DIAL_MS_MAX);
    const failed = (error: Error): void => {
      clearTimeout(timer);
      if (error instanceof DialError) callback(error, null);
      else if (secure && reached) callback(new DialError('tls', describeTlsFailure(codeOf(error))), null);
      else callback(new DialError('connection', codeOf(error)), null);
    };
    socket.once('connect', () => {
      reached = true;
      progress?.connected();
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
