import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Program } from '../../apps/e2e/test/harness/processes.js';
import type { Fault } from '../checker/invokers-facts.js';
import type { KafkaBroker } from '../kafka-broker.js';
import type { WatchedEndpoint } from './watched-endpoint.js';

export type FaultKind = Fault['kind'];

/** The least that the settings allow. */
export const SESSION_MS = 6_000;
/** Long enough that others own what it had. */
const PAUSED_MS = SESSION_MS + 3_000;
const START_MS_MAX = 60_000;

/** Invokers as processes, numbered from 1, and what can befall them. */
export class InvokerFleet {
  readonly faults: Fault[] = [];
  readonly workers: readonly number[];
  private readonly programs = new Map<number, Program>();

  constructor(
    size: number,
    private readonly env: Readonly<Record<string, string>>,
    private readonly endpoint: WatchedEndpoint,
    private readonly broker: KafkaBroker,
  ) {
    this.workers = Array.from({ length: size }, (_, index) => index + 1);
  }

  async start(): Promise<void> {
    await Promise.all(this.workers.map((worker) => this.startWorker(worker)));
  }

  /** Resolves when the fault is over. `worker` is the one that is killed or paused. */
  async strike(kind: FaultKind, worker: number): Promise<void> {
    const program = this.programOf(worker);
    switch (kind) {
      case 'kill':
        await this.endpoint.linger(worker);
        await this.note(kind, worker, () => program.kill9());
        return this.startWorker(worker);
      case 'pause':
        await this.endpoint.linger(worker);
        return this.note(kind, worker, async () => {
          program.child.kill('SIGSTOP');
          await pause(PAUSED_MS);
          program.child.kill('SIGCONT');
        });
      case 'restart':
        for (const each of this.workers) {
          await this.note(kind, each, () => this.programOf(each).stop());
          await this.startWorker(each);
        }
        return;
      case 'broker':
        return this.note(kind, null, () => this.broker.restart());
    }
  }

  async end(folder: string): Promise<void> {
    for (const [worker, { output }] of this.programs) writeFileSync(join(folder, `invoker-${worker}.log`), output);
    await Promise.all([...this.programs.values()].map((program) => program.kill9()));
  }

  private async startWorker(worker: number): Promise<void> {
    const env = { ...this.env, INVOKER_DNS_SERVERS: this.endpoint.nameServerOf(worker) };
    this.programs.set(worker, await Program.start('apps/invoker/dist/main.js', env, START_MS_MAX));
  }

  private programOf(worker: number): Program {
    const program = this.programs.get(worker);
    if (program === undefined) throw new Error(`worker ${worker} was not started`);
    return program;
  }

  private async note(kind: FaultKind, worker: number | null, happen: () => Promise<number | null | void>): Promise<void> {
    const fromMs = Date.now();
    const exitCode = (await happen()) ?? null;
    this.faults.push({ kind, worker, fromMs, toMs: Date.now(), exitCode });
  }
}
