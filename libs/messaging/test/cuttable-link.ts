import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

/** A way to a Postgres or a Kafka broker that can be cut, frozen, or made to lose the answers. */
export class CuttableLink {
  private readonly pairs = new Set<{ near: Socket; far: Socket }>();
  private readonly server: Server;
  private closed = false;
  /** While set, the next answer of at least so many bytes arrives in half, then the connection ends. */
  halvesAnswersOf: number | null = null;
  /** While set, the next byte that comes back ends the connection instead of arriving: what was asked has happened, nobody knows. */
  losesAnswers = false;

  private constructor(private target: URL | null) {
    this.server = createServer((near) => this.accept(near));
  }

  static async to(url: string): Promise<CuttableLink> {
    const link = await CuttableLink.toNowhere();
    link.leadsTo(url);
    return link;
  }

  /** For a target that has to know this address first. */
  static async toNowhere(): Promise<CuttableLink> {
    const link = new CuttableLink(null);
    link.server.listen(0, '127.0.0.1');
    await once(link.server, 'listening');
    return link;
  }

  leadsTo(url: string): void {
    this.target = new URL(url);
  }

  get url(): string {
    const url = new URL(this.target!);
    url.host = this.address;
    return url.href;
  }

  /** host:port */
  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Ends what is connected; new connections are accepted. */
  cut(): void {
    for (const { near, far } of this.pairs) {
      near.destroy();
      far.destroy();
    }
  }

  /** What is connected stays so and hears nothing any more; new connections work. */
  freeze(): void {
    for (const { near, far } of this.pairs) {
      near.unpipe(far);
      near.pause();
      far.removeAllListeners('data');
      far.pause();
    }
  }

  /** Nobody gets through until `open`. */
  close(): void {
    this.closed = true;
    this.cut();
  }

  open(): void {
    this.closed = false;
  }

  async end(): Promise<void> {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }

  private accept(near: Socket): void {
    if (this.closed || this.target === null) return void near.destroy();
    const far = connect(Number(this.target.port), this.target.hostname);
    const pair = { near, far };
    this.pairs.add(pair);
    near.pipe(far);
    far.on('data', (bytes: Buffer) => {
      if (this.halvesAnswersOf !== null && bytes.length >= this.halvesAnswersOf) {
        this.halvesAnswersOf = null;
        return void near.write(bytes.subarray(0, bytes.length / 2), () => near.destroy());
      }
      if (!this.losesAnswers) return void near.write(bytes);
      this.losesAnswers = false;
      near.destroy();
    });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.pairs.delete(pair);
        // A frozen pair outlives its near end: Postgres keeps the session of somebody who is gone.
        if (!socket.isPaused()) other.destroy();
      });
    }
  }
}
