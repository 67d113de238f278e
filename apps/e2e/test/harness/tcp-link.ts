import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A cable between the product and a server, that can be cut and mended: the server stays well, the product sees it go away. */
export class TcpLink {
  private readonly sockets = new Set<Socket>();
  private server: Server | null = null;
  port = 0;

  private constructor(private readonly target: { host: string; port: number }) {}

  /** The URL with this link's address in place of the server's. */
  static async to(url: string): Promise<{ link: TcpLink; url: string }> {
    const { hostname, port } = new URL(url);
    const link = new TcpLink({ host: hostname, port: Number(port) });
    await link.mend();
    const linked = new URL(url);
    linked.port = String(link.port);
    return { link, url: linked.href };
  }

  async mend(): Promise<void> {
    const server = createServer((client) => {
      const upstream = connect(this.target);
      for (const [from, to] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.sockets.add(from);
        from.pipe(to);
        from.on('error', () => to.destroy());
        from.on('close', () => {
          this.sockets.delete(from);
          to.destroy();
        });
      }
    });
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  async cut(): Promise<void> {
    const { server } = this;
    if (server === null) return;
    this.server = null;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}
