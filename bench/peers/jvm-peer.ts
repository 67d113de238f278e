import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Candidate, root } from '../candidate.ts';

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

export const jvmPeer = (env: Record<string, string>): Candidate =>
  Candidate.runProgram('java', ['-cp', `${folder}/classes:${folder}/lib/*`, 'Peer'], env);
