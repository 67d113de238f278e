import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { HostileAnswer, HostileCase } from './hostile-case.js';

const HEAD_END = '\r\n\r\n';

const listen = async (server: Server, port: number, host: string): Promise<number> => {
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  return (server.address() as AddressInfo).port;
};

/** Answers each case as it wants, by the number in the path (`/7/…`; `/7/token` is its token server). No HTTP of Node's between. */
export class HostileServer {
  private readonly sockets = new Set<Socket>();
  private readonly server = createServer((socket) => this.serve(socket));
  /** Listen where nobody may ever connect. */
  private readonly decoys: Server[] = [];
  decoyConnections = 0;
  port = 0;

  constructor(private readonly cases: readonly HostileCase[]) {}

  async start(host: string, decoyHosts: readonly string[]): Promise<void> {
    this.port = await listen(this.server, 0, host);
    for (const decoyHost of decoyHosts) {
      const decoy = createServer((socket) => {
        this.decoyConnections++;
        socket.destroy();
      });
      await listen(decoy, this.port, decoyHost).then(
        () => this.decoys.push(decoy),
        () => undefined,
      );
    }
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await Promise.all([this.server, ...this.decoys].map((server) => new Promise((resolve) => server.close(resolve))));
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket.on('error', () => undefined).on('close', () => this.sockets.delete(socket)));
    let request = '';
    socket.on('data', (bytes) => {
      request += bytes.toString('latin1');
      const end = request.indexOf(HEAD_END);
      const length = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(request)?.[1] ?? 0);
      if (end < 0 || request.length < end + HEAD_END.length + length) return;
      const [, index, rest] = /^POST \/(\d+)\/([^ ?]*)/.exec(request) ?? [];
      request = '';
      this.answer(socket, this.cases[Number(index)], rest === 'token');
    });
  }

  private answer(socket: Socket, hostile: HostileCase | undefined, forToken: boolean): void {
    const { token } = hostile ?? {};
    if (forToken && token !== undefined && 'answer' in token) {
      const head = `HTTP/1.1 ${token.status ?? 200} Some\r\n${token.headers ?? ''}content-length: ${Buffer.byteLength(token.answer)}\r\n\r\n`;
      socket.end(Buffer.concat([Buffer.from(head.replaceAll('{port}', String(this.port))), Buffer.from(token.answer)]));
      return;
    }
    this.write(socket, hostile?.answer ?? '');
  }

  private write(socket: Socket, answer: HostileAnswer): void {
    if (typeof answer === 'function') answer(socket);
    else socket.end(typeof answer === 'string' ? answer.replaceAll('{port}', String(this.port)) : answer);
  }
}
