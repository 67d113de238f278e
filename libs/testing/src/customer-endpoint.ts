import {
  createServer as createHttpServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

/** One request as it came. */
export interface CustomerCall {
  readonly method: string;
  /** Path without the query. */
  readonly path: string;
  /** Path and query as on the wire. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in the order of the wire. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  /** When the headers had arrived, ms since the epoch. */
  readonly receivedAtMs: number;
  /** Which connection it came on, from 1. */
  readonly connection: number;
}

/** What to answer. Default: 200 with an empty body at once. */
export interface CustomerAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Buffer;
  readonly delayMs?: number;
  /** Never answers; the connection stays open until the caller or `close` ends it. */
  readonly hang?: boolean;
  /** Cuts the connection without an answer. */
  readonly drop?: boolean;
  /** Writes these bytes instead of an answer of Node's making; the connection stays open unless `drop` is set too. */
  readonly raw?: string | Buffer;
}

const HEADER_BYTES_MAX = 128 * 1024;

export type CustomerScript = (call: CustomerCall) => CustomerAnswer | Promise<CustomerAnswer>;

export interface CustomerEndpointOptions {
  /** Speaks TLS with this certificate. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Default: 127.0.0.1. */
  readonly host?: string;
}

/** The HTTP server of a customer, on a free port: keeps every call, and answers by a script for each path. */
export class CustomerEndpoint {
  readonly calls: CustomerCall[] = [];
  /** Connections accepted so far. */
  connections = 0;
  /** The most calls that were unanswered at once. */
  concurrentMax = 0;
  private concurrent = 0;
  private readonly concurrentByPath = new Map<string, { now: number; max: number }>();
  private readonly scripts = new Map<string, CustomerScript>();
  private readonly sockets = new Map<Socket, number>();
  private readonly timers = new Set<NodeJS.Timeout>();

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start({ tls, host = '127.0.0.1' }: CustomerEndpointOptions = {}): Promise<CustomerEndpoint> {
    const server =
      tls === undefined
        ? createHttpServer({ maxHeaderSize: HEADER_BYTES_MAX })
        : createHttpsServer({ ...tls, maxHeaderSize: HEADER_BYTES_MAX });
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, resolve));
    const { port } = server.address() as AddressInfo;
    const endpoint = new CustomerEndpoint(server, `${tls === undefined ? 'http' : 'https'}://${host}:${port}`);
    server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => endpoint.connected(socket));
    server.on('request', (request, response) => void endpoint.receive(request, response));
    return endpoint;
  }

  /** Answers calls to this path (without a query) by the script from now on. */
  answer(path: string, script: CustomerScript): void {
    this.scripts.set(path, script);
  }

  callsTo(path: string): CustomerCall[] {
    return this.calls.filter((call) => call.path === path);
  }

  /** The most calls to this path that were unanswered at once. */
  concurrentMaxOf(path: string): number {
    return this.concurrentByPath.get(path)?.max ?? 0;
  }

  /** Cuts every connection. */
  async close(): Promise<void> {
    for (const timer of this.timers) clearTimeout(timer);
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const socket of this.sockets.keys()) socket.destroy();
    await closed;
  }

  private connected(socket: Socket): void {
    this.sockets.set(socket, ++this.connections);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => undefined);
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const receivedAtMs = Date.now();
    const url = request.url ?? '/';
    const path = url.split('?', 1)[0] ?? '/';
    this.entered(path);
    response.once('close', () => this.left(path));
    try {
      const body = Buffer.concat(await request.toArray());
      const call: CustomerCall = {
        method: request.method ?? '',
        path,
        url,
        headers: request.headers,
        rawHeaders: request.rawHeaders,
        body,
        receivedAtMs,
        connection: this.sockets.get(request.socket) ?? 0,
      };
      this.calls.push(call);
      await this.respond((await this.scripts.get(path)?.(call)) ?? {}, response);
    } catch {
      response.destroy();
    }
  }

  private async respond(answer: CustomerAnswer, response: ServerResponse): Promise<void> {
    if (answer.hang === true) return;
    if (answer.delayMs !== undefined) await this.delay(answer.delayMs);
    const { socket } = response;
    if (answer.raw !== undefined) {
      if (answer.drop === true) socket?.end(answer.raw);
      else socket?.write(answer.raw);
      return;
    }
    if (answer.drop === true) {
      socket?.destroy();
      return;
    }
    const headers = Object.entries(answer.headers ?? {}).map(([name, value]) => [name, value as string | string[]] as const);
    response.writeHead(answer.status ?? 200, Object.fromEntries(headers));
    response.end(answer.body);
  }

  private delay(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.timers.delete(timer);
        resolve();
      }, delayMs);
      this.timers.add(timer);
    });
  }

  private entered(path: string): void {
    this.concurrentMax = Math.max(this.concurrentMax, ++this.concurrent);
    const ofPath = this.concurrentByPath.get(path) ?? { now: 0, max: 0 };
    ofPath.max = Math.max(ofPath.max, ++ofPath.now);
    this.concurrentByPath.set(path, ofPath);
  }

  private left(path: string): void {
    this.concurrent--;
    const ofPath = this.concurrentByPath.get(path);
    if (ofPath !== undefined) ofPath.now--;
  }
}
