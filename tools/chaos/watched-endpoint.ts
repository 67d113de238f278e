import { setTimeout as pause } from 'node:timers/promises';
import { Program } from '../../apps/e2e/test/harness/processes.js';
import { eventually } from '../../libs/testing/src/eventually.js';
import { TestDns } from '../../libs/testing/src/test-dns.js';

const START_MS_MAX = 60_000;
const PROGRESS_MS_MAX = 60_000;
/** Some triggers of a worker take so long when it is struck: they still run when another worker has them. */
const LINGER = { calls: 3, ms: 12_000 } as const;
const LINGERING_MS_MAX = 3_000;
const HOST = 'endpoint.test';

/** What the endpoint saw so far. */
interface Seen {
  readonly port: number;
  readonly calls: number;
  readonly open: number;
  readonly byWorker: readonly number[];
  readonly lingering: readonly number[];
}

/** The endpoint's process, and a name server for each worker that finds it at an address of the worker's own. */
export class WatchedEndpoint {
  private constructor(
    private readonly program: Program,
    private readonly names: readonly TestDns[],
    readonly url: string,
  ) {}

  static async start(folder: string, workers: number): Promise<WatchedEndpoint> {
    const program = await Program.start('tools/chaos/invokers-endpoint.ts', {}, START_MS_MAX, undefined, [folder, String(workers)]);
    const names = await Promise.all(Array.from({ length: workers }, () => TestDns.start()));
    names.forEach((name, index) => name.set(HOST, [`127.0.0.${11 + index}`]));
    const { port } = (await (await fetch(program.address)).json()) as Seen;
    return new WatchedEndpoint(program, names, `http://${HOST}:${port}`);
  }

  nameServerOf(worker: number): string {
    return this.names[worker - 1]?.address ?? '';
  }

  seen(): Promise<Seen> {
    return this.ask('GET', '');
  }

  /** Resolves once every worker has made another call, or when there is nothing more to call. */
  async progress(workers: readonly number[], isOver: () => boolean): Promise<void> {
    const before = (await this.seen()).byWorker;
    await eventually(
      async () => {
        const { byWorker } = await this.seen();
        const idle = workers.filter((worker) => byWorker[worker] === before[worker]);
        if (idle.length > 0 && !isOver()) throw new Error(`worker ${idle.join(', ')} makes no call any more`);
      },
      PROGRESS_MS_MAX,
      100,
    );
  }

  /** Resolves when some calls of the worker are under way that take long, or when it makes too few calls. */
  async linger(worker: number): Promise<void> {
    await this.ask('POST', `/?worker=${worker}&calls=${LINGER.calls}&ms=${LINGER.ms}`);
    for (const giveUpAt = Date.now() + LINGERING_MS_MAX; Date.now() < giveUpAt; await pause(10))
      if ((await this.seen()).lingering[worker] === 0) return;
  }

  async stop(): Promise<void> {
    await Promise.all([this.program.stop(), ...this.names.map((name) => name.close())]);
  }

  private async ask(method: string, path: string): Promise<Seen> {
    return (await (await fetch(this.program.address + path, { method })).json()) as Seen;
  }
}
