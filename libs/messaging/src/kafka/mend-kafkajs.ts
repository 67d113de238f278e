/**
 * What kafkajs 2.2.4 gets wrong about a connection, mended in its own classes:
 *
 * - Half an answer that had come when a socket ended stays in the buffer, and what the next socket brings is read behind it: no request
 *   of that connection is ever answered again.
 * - Two who need a connection at once open two sockets, and the answers of both go into one buffer.
 * - A request that was not answered in time leaves its socket open, so that a broker which is gone without a word is asked again on it.
 * - While a connection waits for its last answers to disconnect, nobody looks whether they come in time; and one that ended
 *   meanwhile lets nobody know. Both wait for ever, and so does what it authenticates with.
 * - A queue where nothing waits arms a timer of 1 ms all the same: 3–4 % of a core for each idle client.
 */
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';

interface RequestQueue {
  readonly pending: readonly unknown[];
  readonly inflight: ReadonlyMap<number, { readonly sentAt: number; readonly requestTimeout: number; timeoutRequest(): void }>;
  readonly requestTimeout: number;
  requestTimeoutIntervalId: NodeJS.Timeout | undefined;
  isConnected(): boolean;
  destroy(): void;
  scheduleRequestTimeoutCheck(): void;
  scheduleCheckPendingRequests(): void;
}

interface Connection {
  readonly host: string;
  readonly port: number;
  readonly socket?: Socket;
  readonly authHandlers: { onError(): void } | null;
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  isConnected(): boolean;
  connect(): Promise<unknown>;
  send(request: object): Promise<unknown>;
  rejectRequests(error: Error): void;
}

/** An answer begins with its size. */
const SIZE_BYTES = 4;
/** As often as kafkajs looks. */
const TIMEOUT_CHECK_MS = 100;

const require = createRequire(import.meta.url);
const { prototype: queue } = require('kafkajs/src/network/requestQueue') as { prototype: RequestQueue };
const { prototype: connection } = require('kafkajs/src/network/connection') as { prototype: Connection };
const { KafkaJSConnectionClosedError, KafkaJSRequestTimeoutError } = require('kafkajs/src/errors') as {
  KafkaJSConnectionClosedError: new (message: string, broker: { host: string; port: number }) => Error;
  KafkaJSRequestTimeoutError: new () => Error;
};
const { scheduleCheckPendingRequests } = queue;
const { connect, send } = connection;

queue.scheduleCheckPendingRequests = function (): void {
  if (this.pending.length > 0) scheduleCheckPendingRequests.call(this);
};

queue.scheduleRequestTimeoutCheck = function (): void {
  clearInterval(this.requestTimeoutIntervalId);
  this.requestTimeoutIntervalId = setInterval(
    () => {
      const nowMs = Date.now();
      for (const request of [...this.inflight.values()]) if (nowMs - request.sentAt > request.requestTimeout) request.timeoutRequest();
      if (!this.isConnected() && this.inflight.size === 0) this.destroy();
    },
    Math.min(this.requestTimeout, TIMEOUT_CHECK_MS),
  );
};

const connecting = new WeakMap<Connection, Promise<unknown>>();

connection.connect = function (): Promise<unknown> {
  if (this.isConnected()) return Promise.resolve(true);
  let connected = connecting.get(this);
  if (connected === undefined) {
    this.socket?.destroy();
    this.rejectRequests(closed(this));
    this.chunks = [];
    this.bytesBuffered = 0;
    this.bytesNeeded = SIZE_BYTES;
    connected = connect.call(this).finally(() => connecting.delete(this));
    connecting.set(this, connected);
    rejectAtClose(this);
  }
  return connected;
};

const closed = ({ host, port }: Connection): Error => new KafkaJSConnectionClosedError('Closed connection', { host, port });

const rejectAtClose = (opened: Connection): void => {
  const { socket } = opened;
  socket?.once('close', () => {
    if (opened.socket !== socket) return;
    opened.authHandlers?.onError();
    opened.rejectRequests(closed(opened));
  });
};

connection.send = async function (request): Promise<unknown> {
  try {
    return await send.call(this, request);
  } catch (error) {
    if (error instanceof KafkaJSRequestTimeoutError) this.socket?.destroy(error);
    throw error;
  }
};
