/** Who is measured: our invoker with everything on, as one process or two, and what anyone would pick instead. */
import { setTimeout as pause } from 'node:timers/promises';
import { triggerInvocationRequests, triggerInvocationResults } from '@cf/contract';
import { Candidate } from './candidate.ts';
import { hasJvmPeer, JvmPeer } from './peers/jvm-peer.ts';
import { serviceEnv } from './registry-fixture.ts';
import { type Running, setStage, type Stage, tellEndpoint, type Where } from './stage.ts';

export const CONCURRENCY = 256;

export const peers = ['invoker', 'invoker-2', 'jvm-key', 'jvm-unordered', 'eachBatch', 'nest'] as const;
export type Peer = (typeof peers)[number];

/** Those that a developer would write with the framework alone; slow, so fewer rounds tell enough. */
export const isFramework = (peer: Peer): boolean => peer === 'eachBatch' || peer === 'nest';
const processesOf: Partial<Record<Peer, number>> = { invoker: 1, 'invoker-2': 2 };
const isOurs = (peer: Peer): boolean => processesOf[peer] !== undefined;

/** Where a contender publishes results. */
export const resultTopicOf = (peer: Peer): string => (isOurs(peer) ? triggerInvocationResults.name : 'out');

export const TRIGGER_GROUP = 'invoker.trigger';

/** Processes that are measured as one. */
export const together = (programs: readonly Candidate[], stop: () => Promise<void>): Running => ({
  cpuMs: () => {
    const times = programs.map((each) => each.cpuMs());
    return times.includes(null) ? null : times.reduce<number>((sum, each) => sum + (each ?? 0), 0);
  },
  rssMiB: () => programs.reduce((sum, each) => sum + each.rssMiB(), 0),
  stop,
});

export const runInvokers = (
  stage: Stage,
  processes: number,
  env: Record<string, string> = {},
): Running & { readonly programs: readonly Candidate[] } => {
  const settings = {
    ...serviceEnv(stage.where, stage.prefix),
    INVOKER_LANES: 'trigger',
    INVOKER_TRIGGER_CALLS_MAX: String(CONCURRENCY / processes),
    ...env,
  };
  const programs = Array.from({ length: processes }, () => Candidate.run('apps/invoker/dist/main.js', settings));
  const stop = async (): Promise<void> => {
    await Promise.all(programs.map((each) => each.stop()));
    await stage.forgetGroup(TRIGGER_GROUP);
  };
  return { ...together(programs, stop), programs };
};

export class Contenders {
  private readonly jvms = new Map<Peer, JvmPeer>();
  private serial = 0;

  private constructor(
    private readonly where: Where,
    readonly peers: readonly Peer[],
  ) {}

  /** JVMs are warmed here, once: each works off a backlog of so many calls. */
  static async assemble(where: Where, chosen: readonly Peer[], jvmWarmCalls: number): Promise<Contenders> {
    const usable = chosen.filter((peer) => !peer.startsWith('jvm') || hasJvmPeer());
    const contenders = new Contenders(where, usable);
    if (!usable.some((peer) => peer.startsWith('jvm'))) return contenders;
    const stage = await setStage(where, 'warm', { records: Math.ceil(jvmWarmCalls * 1.1), paths: ['/ok'], chats: 5_000 });
    for (const peer of usable.filter((each) => each.startsWith('jvm'))) {
      const order = peer === 'jvm-key' ? 'KEY' : 'UNORDERED';
      const jvm = JvmPeer.start({ BROKERS: where.brokers, TARGET: where.target, CONCURRENCY: String(CONCURRENCY), ORDER: order });
      contenders.jvms.set(peer, jvm);
      await tellEndpoint(where.target, 'reset');
      await jvm.warm(stage, jvmWarmCalls);
    }
    await stage.clear();
    return contenders;
  }

  /** Begins at the beginning of the stage's backlog. */
  async run(peer: Peer, stage: Stage): Promise<Running> {
    await tellEndpoint(this.where.target, 'reset');
    const running = await this.start(peer, stage);
    const stop = async (): Promise<void> => {
      await tellEndpoint(this.where.target, 'release');
      await running.stop();
      // What was cut off may still arrive.
      await pause(100);
    };
    return { ...running, stop };
  }

  async close(): Promise<void> {
    await Promise.all([...this.jvms.values()].map((jvm) => jvm.close()));
  }

  private start(peer: Peer, stage: Stage): Running | Promise<Running> {
    const processes = processesOf[peer];
    if (processes !== undefined) return runInvokers(stage, processes);
    const [input, output] = [stage.prefix + triggerInvocationRequests.name, `${stage.prefix}out`];
    const jvm = this.jvms.get(peer);
    if (jvm !== undefined) return jvm.consume(input, output);
    const program = Candidate.run(peer === 'nest' ? 'bench/peers/nest-default.mjs' : 'bench/peers/each-batch.ts', {
      BROKERS: this.where.brokers,
      IN: input,
      OUT: output,
      GROUP: `${stage.prefix}${peer}${++this.serial}`,
      TARGET: this.where.target,
      CONCURRENCY: String(CONCURRENCY),
    });
    return together([program], () => program.stop('SIGKILL'));
  }
}
