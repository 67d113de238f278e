import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { triggerInvocationRequests } from '@cf/contract';
import { Candidate, root } from '../candidate.ts';
import { measureRate, type Running, type Stage } from '../stage.ts';

const folder = join(root, '.bench/jvm-peer');
let built: boolean | null = null;

/** Builds the peer once; false where Java or Maven is missing, which is said. */
export const hasJvmPeer = (): boolean => {
  if (built !== null) return built;
  const args = ['-q', '-B', 'package', 'dependency:copy-dependencies', `-DoutputDirectory=${folder}/lib`];
  const { status } = spawnSync('mvn', args, { cwd: join(root, 'bench/peers/jvm'), stdio: 'ignore' });
  built = status === 0;
  if (!built) process.stdout.write('  without parallel-consumer-vertx: it needs Java 17 and Maven\n');
  return built;
};

/** Confluent's parallel consumer. Its JVM stays for all that is measured, since it needs some 250,000 calls to be warm; each backlog gets a consumer of its own. */
export class JvmPeer {
  private serial = 0;

  private constructor(private readonly program: Candidate) {}

  static start(env: Record<string, string>): JvmPeer {
    return new JvmPeer(Candidate.runProgram('java', ['-cp', `${folder}/classes:${folder}/lib/*`, 'Peer'], env));
  }

  async warm(stage: Stage, calls: number): Promise<void> {
    const running = await this.consume(stage.prefix + triggerInvocationRequests.name, `${stage.prefix}out`);
    await measureRate(stage, running, calls, 0, 240_000);
    await running.stop();
  }

  async consume(input: string, output: string): Promise<Running> {
    await this.program.ask(`consume ${input} ${output} peer-${this.program.pid}-${++this.serial}`, /consuming\n/);
    return {
      cpuMs: () => this.program.cpuMs(),
      rssMiB: () => this.program.rssMiB(),
      stop: async () => void (await this.program.ask('halt', /halted\n/)),
    };
  }

  close(): Promise<void> {
    return this.program.stop('SIGKILL');
  }
}
