import { TLSSocket } from 'node:tls';
import { codeOf, DialError } from './dial-error.js';
import type { EndpointTls } from './endpoint-tls.js';
import { guardedDial } from './guarded-connector.js';
import { describeTlsFailure } from './tls-failure.js';
import type { VettingOptions } from './vetted-lookup.js';

/** With TLS 1.3 a server refuses our certificate, or asks for one, after the handshake. */
const SECOND_THOUGHTS_MS = 250;

/** How far a connection came, in ms since its start; null where it did not come. */
export interface Probe {
  readonly vettedMs: number | null;
  readonly connectedMs: number | null;
  /** Null for plain http too. */
  readonly securedMs: number | null;
  /** `TLSv1.3`. */
  readonly protocol: string | null;
  /** Why it did not come further. */
  readonly failure: string | null;
  readonly endedMs: number;
}

/** Opens one connection the way calls do, sends nothing on it and closes it. Never rejects. */
export const probeOrigin = (origin: string, tls: EndpointTls | null, dialing: VettingOptions, budgetMs: number): Promise<Probe> =>
  new Promise((resolve) => {
    const startedAt = performance.now();
    const sinceStart = (): number => Math.round((performance.now() - startedAt) * 10) / 10;
    let vettedMs: number | null = null;
    let connectedMs: number | null = null;
    let over = false;
    const end = (failure: string | null, securedMs: number | null = null, protocol: string | null = null): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      resolve({ vettedMs, connectedMs, securedMs, protocol, failure, endedMs: sinceStart() });
    };
    const timer = setTimeout(() => end(`nothing within ${budgetMs} ms`), budgetMs);
    const dial = guardedDial(
      origin,
      { ...dialing, tls },
      { vetted: () => void (vettedMs ??= sinceStart()), connected: () => void (connectedMs ??= sinceStart()) },
    );
    dial((error, socket) => {
      if (error !== null) return end(error instanceof DialError ? error.message : 'an unexpected error');
      socket.on('error', (late) => end(describeTlsFailure(codeOf(late))));
      socket.on('close', () => end(describeTlsFailure('ECONNRESET')));
      const [securedMs, protocol] = socket instanceof TLSSocket ? [sinceStart(), socket.getProtocol()] : [null, null];
      setTimeout(
        () => {
          end(null, securedMs, protocol);
          socket.destroy();
        },
        securedMs === null ? 0 : SECOND_THOUGHTS_MS,
      );
    });
  });
