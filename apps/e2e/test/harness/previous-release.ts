import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { nodeBinary, root } from './processes.js';

/** The commit of the release before this one; set it to the last released commit when a release is made. */
export const PREVIOUS_RELEASE = 'fe6bc800dfc76774cb6ba1b43e897f5bf90b97ce';

const run = (program: string, args: readonly string[], cwd: string): string => {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stdout + stderr}`);
  return stdout;
};

/** Whether this checkout has the history to build it from; a shallow clone has not. */
export const hasPreviousRelease = (): boolean =>
  spawnSync('git', ['cat-file', '-e', `${PREVIOUS_RELEASE}^{commit}`], { cwd: root }).status === 0;

/** The folder of the release before, built once. It has its own sources and today's packages. */
export const buildPreviousRelease = (): string => {
  const folder = join(root, 'node_modules/.cache', `release-${PREVIOUS_RELEASE.slice(0, 12)}`);
  if (existsSync(folder)) return folder;
  const making = `${folder}.${process.pid}`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(join(making, 'node_modules/@cf'), { recursive: true });
  run('sh', ['-c', `git archive ${PREVIOUS_RELEASE} | tar -x -C '${making}'`], root);
  const packages = join(root, 'node_modules');
  for (const name of readdirSync(packages)) if (name !== '@cf') symlinkSync(join(packages, name), join(making, 'node_modules', name));
  for (const kind of ['apps', 'libs'])
    for (const name of readdirSync(join(making, kind))) symlinkSync(`../../${kind}/${name}`, join(making, 'node_modules/@cf', name));
  run(nodeBinary, ['node_modules/typescript7/bin/tsc', '-b'], making);
  renameSync(making, folder);
  return folder;
};
