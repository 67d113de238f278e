import type { Socket } from 'node:net';
import type { FailureReason, ResponseWarning } from '@cf/contract';
import type { DnsAnswer, DnsScript } from '@cf/testing';

/** How a step must end. */
export type Expected =
  | { readonly value: string | null; readonly status?: number }
  | { readonly warning: ResponseWarning }
  | { readonly failed: FailureReason; readonly status?: number; readonly detail?: RegExp };

/** Bytes to write when the request has come (the connection is then closed), or what to do with the socket. */
export type HostileAnswer = string | Buffer | ((socket: Socket) => void);

export interface HostileCase {
  readonly name: string;
  readonly expected: Expected;
  /** `{port}` is the port of the hostile server. Default: the hostile server by its address. */
  readonly baseUrl?: string;
  readonly endpointUrl?: string;
  /** What the name in `baseUrl` resolves to. */
  readonly dns?: DnsAnswer | DnsScript;
  readonly answer?: HostileAnswer;
  readonly timeoutMs?: number;
  /** The hostile server is asked for a token first and answers this with status 200 unless told otherwise. */
  readonly token?: { readonly status?: number; readonly answer: string | Buffer; readonly headers?: string } | { readonly url: string };
}

export const blocked: Expected = { failed: 'blocked_address', detail: /^address not allowed$/ };

/** A whole answer; `headers` each end with CR LF. */
export const http = (body: string | Buffer, headers = '', status = '200 OK'): Buffer =>
  Buffer.concat([Buffer.from(`HTTP/1.1 ${status}\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n`), Buffer.from(body)]);

/** Writes the pieces one after the other, so many ms apart, and leaves the connection open. */
export const dripping =
  (everyMs: number, pieces: readonly (string | Buffer)[]) =>
  (socket: Socket): void => {
    let next = 0;
    const timer = setInterval(() => {
      const piece = pieces[next++];
      if (piece === undefined || socket.destroyed) clearInterval(timer);
      else socket.write(piece);
    }, everyMs);
    socket.once('close', () => clearInterval(timer));
  };
