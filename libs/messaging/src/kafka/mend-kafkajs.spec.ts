import { once } from 'node:events';
import { createRequire } from 'node:module';
import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import './mend-kafkajs.js';

const require = createRequire(import.meta.url);

interface Connection {
  connectionStatus: string;
  connect(): Promise<unknown>;
  disconnect(): Promise<unknown>;
  isConnected(): boolean;
  send(message: object): Promise<string>;
}

const KafkaJsConnection = require('kafkajs/src/network/connection') as new (options: object) => Connection;
const Encoder = require('kafkajs/src/protocol/encoder') as new () => { writeString(text: string): unknown };

const silent = { debug: () => undefined, error: () => undefined, warn: () => undefined };
/** No test waits for it to pass. */
const REQUEST_TIMEOUT_MS = 30_000;
const HEADER_BYTES = 8;

/** A request whose answer says it back. */
const saying = (text: string): object => ({
  request: { apiKey: 3, apiVersion: 0, apiName: 'Metadata', encode: async () => new Encoder().writeString(text) },
  response: { decode: async (raw: Buffer) => raw.toString(), parse: async (answer: string) => answer },
});

describe('a connection of kafkajs, mended', () => {
  let server: Server;
  let connection: Connection;
  const sockets: Socket[] = [];
  /** Null answers nothing. */
  let answer: ((text: string) => string) | null;

  const serve = (socket: Socket): void => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      if (answer === null) return;
      const body = Buffer.from(answer('answer'));
      const head = Buffer.alloc(HEADER_BYTES);
      head.writeInt32BE(body.length + 4, 0);
      bytes.copy(head, 4, 8, 12);
      socket.write(Buffer.concat([head, body]));
    });
  };

  beforeEach(async () => {
    answer = (text) => text;
    server = createServer(serve).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    connection = new KafkaJsConnection({
      host: '127.0.0.1',
      port,
      logger: { namespace: () => silent },
      socketFactory: ({ onConnect }: { onConnect: () => void }) => connectTcp({ host: '127.0.0.1', port }, onConnect),
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionTimeout: 5_000,
    });
  });
  afterEach(async () => {
    await connection.disconnect();
    for (const socket of sockets.splice(0)) socket.destroy();
    server.close();
  });

  it('answers', async () => {
    await connection.connect();
    expect(await connection.send(saying('hello'))).toBe('answer');
  });

  it('opens one socket for two who need it at once', async () => {
    await Promise.all([connection.connect(), connection.connect()]);
    expect(await connection.send(saying('hello'))).toBe('answer');
    expect(sockets).toHaveLength(1);
  });

  it.each([
    ['ends', (socket: Socket) => socket.end()],
    ['is reset', (socket: Socket) => socket.resetAndDestroy()],
  ])('rejects what waits for an answer when its socket %s, also while it disconnects', async (_, close) => {
    await connection.connect();
    answer = null;
    const waiting = connection.send(saying('never answered'));
    const rejected = expect(waiting).rejects.toMatchObject({ name: expect.stringMatching(/^KafkaJSConnection/) });
    await once(sockets[0]!, 'data');
    const disconnected = connection.disconnect();
    close(sockets[0]!);
    await rejected;
    await disconnected;
    answer = (text) => text;
    await connection.connect();
    expect(await connection.send(saying('hello'))).toBe('answer');
  });

  it('rejects what waits on its last socket when it opens another one, and does not make it wait out its time', async () => {
    await connection.connect();
    answer = null;
    const waiting = connection.send(saying('never answered'));
    const rejected = expect(waiting).rejects.toMatchObject({ name: 'KafkaJSConnectionClosedError' });
    await once(sockets[0]!, 'data');
    // Where a disconnect is over that saw an empty queue and let a request in behind it.
    connection.connectionStatus = 'disconnected';
    answer = (text) => text;
    await connection.connect();
    await rejected;
    expect(await connection.send(saying('hello'))).toBe('answer');
  });

  it('does not read half an answer before the next one', async () => {
    await connection.connect();
    answer = null;
    const waiting = connection.send(saying('answered in half'));
    const rejected = expect(waiting).rejects.toMatchObject({ name: 'KafkaJSConnectionClosedError' });
    await once(sockets[0]!, 'data');
    sockets[0]!.end(Buffer.from([0, 0, 1, 0, 0, 0]));
    await rejected;
    answer = (text) => text;
    await connection.connect();
    expect(await connection.send(saying('hello'))).toBe('answer');
  });
});
