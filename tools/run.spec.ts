/**
 * The launcher is real, and so are npm, signals and processes. The checkout is a small one made for this: no registry is asked, its compiler notes
 * each of its runs and copies, and its program says what happens to it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@cf/testing';

const COMPILER = `
import { appendFileSync, cpSync, writeFileSync } from 'node:fs';
appendFileSync('builds.log', process.argv.slice(2).join(' ') + '\\n');
await new Promise((resolve) => setTimeout(resolve, 200));
cpSync('apps/standalone/src', 'apps/standalone/dist', { recursive: true });
writeFileSync('apps/standalone/dist/.tsbuildinfo', '');
`;

const PROGRAM = `
import { writeFileSync } from 'node:fs';
const say = (line) => process.stdout.write(line + '\\n');
let terminations = 0;
process.on('SIGTERM', () => {
  say('SIGTERM');
  if (++terminations === 1) setTimeout(() => process.exit(7), 400);
});
process.on('disconnect', () => {
  writeFileSync('disconnected', '');
  process.exit(0);
});
say('up as ' + process.pid + ', launched: ' + process.env.CF_LAUNCHED);
if (process.argv.includes('--end')) process.exit(0);
`;

let checkout: string;
const started: ChildProcess[] = [];

const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(checkout, path)), { recursive: true });
  writeFileSync(join(checkout, path), text);
};

beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), 'cf-checkout-'));
  const tools = dirname(fileURLToPath(import.meta.url));
  cpSync(join(tools, 'run.mjs'), join(checkout, 'tools/run.mjs'));
  cpSync(join(tools, 'run'), join(checkout, 'tools/run'), { recursive: true });
  write(
    'package.json',
    JSON.stringify({ name: 'checkout', version: '1.0.0', type: 'module', devDependencies: { typescript7: 'file:compiler' } }),
  );
  write('compiler/package.json', JSON.stringify({ name: 'typescript7', version: '7.0.2', type: 'module' }));
  write('compiler/bin/tsc', COMPILER);
  write('tsconfig.json', JSON.stringify({ references: [{ path: 'apps/standalone' }] }));
  write('apps/standalone/package.json', JSON.stringify({ type: 'module', nx: { tags: ['type:composition'] } }));
  write('apps/standalone/src/main.js', PROGRAM);
  write('apps/registry/package.json', JSON.stringify({ nx: { tags: ['type:app'] } }));
  spawnSync('npm', ['install', '--package-lock-only', '--offline'], { cwd: checkout });
});

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  rmSync(checkout, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});

interface Launch {
  readonly child: ChildProcess;
  readonly lines: string[];
  readonly ended: Promise<{ code: number | null; stderr: string }>;
}

const launch = (args: string[], env: NodeJS.ProcessEnv = {}): Launch => {
  const child = spawn(process.execPath, ['tools/run.mjs', ...args], {
    cwd: checkout,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  const lines: string[] = [];
  createInterface(child.stdout).on('line', (line) => lines.push(line));
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return { child, lines, ended: new Promise((resolve) => child.once('close', (code) => resolve({ code, stderr }))) };
};

const builds = (): number => readFileSync(join(checkout, 'builds.log'), 'utf8').trim().split('\n').length;

const up = (lines: readonly string[]): Promise<number> =>
  eventually(() => {
    const pid = lines.map((line) => /^up as (\d+), launched: 1$/.exec(line)?.[1]).find(Boolean);
    if (!pid) throw new Error(`not up: ${lines.join('\n')}`);
    return Number(pid);
  });

describe('the launcher', () => {
  it('installs and builds what is missing, development packages under NODE_ENV=production too, and nothing on the next start', async () => {
    const first = await launch(['start', '--end'], { NODE_ENV: 'production' }).ended;
    expect(first).toEqual({ code: 0, stderr: expect.stringMatching(/Installing packages[^]*Building/) });
    expect(await launch(['start', '--end']).ended).toEqual({ code: 0, stderr: '' });
    expect(builds()).toBe(1);
  });

  it('builds again when a source changed, and only then', async () => {
    await launch(['build']).ended;
    utimesSync(join(checkout, 'apps/standalone/src/main.js'), new Date(), new Date(0));
    expect((await launch(['build']).ended).stderr).toBe('Building …\n');
    expect((await launch(['build']).ended).stderr).toBe('');
    expect(builds()).toBe(2);
  });

  it('installs again after an install that was broken off', async () => {
    await launch(['build']).ended;
    for (const file of ['.installed', '.package-lock.json']) rmSync(join(checkout, 'node_modules', file), { force: true });
    expect((await launch(['build']).ended).stderr).toContain('Installing packages');
  });

  it('does not repeat an install that was made by hand', async () => {
    spawnSync('npm', ['ci', '--offline'], { cwd: checkout });
    expect((await launch(['build']).ended).stderr).toBe('Building …\n');
  });

  it('installs and builds once when several start at the same time', async () => {
    const all = await Promise.all([1, 2, 3, 4].map(() => launch(['start', '--end']).ended));
    expect(all.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    expect(all.filter(({ stderr }) => stderr.includes('Installing'))).toHaveLength(1);
    expect(builds()).toBe(1);
  });

  it('breaks the lock of a process that is dead, also when its id is used again', async () => {
    for (const holder of ['1073741824 1', `${process.pid} 1`]) {
      rmSync(join(checkout, '.run'), { recursive: true, force: true });
      write('.run/lock', holder);
      expect((await launch(['build']).ended).code).toBe(0);
      expect(existsSync(join(checkout, '.run/lock'))).toBe(false);
    }
  });

  it('passes a signal on once, however often it comes, and ends with the code of the program', async () => {
    const launched = launch(['start']);
    await up(launched.lines);
    launched.child.kill('SIGTERM');
    await eventually(() => expect(launched.lines).toContain('SIGTERM'));
    launched.child.kill('SIGTERM');
    expect((await launched.ended).code).toBe(7);
    expect(launched.lines.filter((line) => line === 'SIGTERM')).toHaveLength(1);
  });

  it('lets the program notice that its launcher was killed', async () => {
    const launched = launch(['start']);
    const pid = await up(launched.lines);
    launched.child.kill('SIGKILL');
    await eventually(() => expect(existsSync(join(checkout, 'disconnected'))).toBe(true));
    await eventually(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'));
  });

  it.each([
    'spawn(process.execPath, ["tools/run.mjs", "start"], options)',
    'spawn("sh", ["-c", process.execPath + " tools/run.mjs start; true"], options)',
  ])('ends the program when npm was killed above it: %s', async (start) => {
    const npm = spawn(process.execPath, ['-e', `const options = { stdio: 'inherit' }; require('child_process').${start}`], {
      cwd: checkout,
      env: { ...process.env, npm_lifecycle_event: 'start' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    started.push(npm);
    const lines: string[] = [];
    createInterface(npm.stdout).on('line', (line) => lines.push(line));
    const pid = await up(lines);
    npm.kill('SIGKILL');
    await eventually(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'));
  });

  it('names the services when one is asked for that is none', async () => {
    expect(await launch(['service', 'standalone']).ended).toEqual({ code: 2, stderr: 'usage: npm run service <registry>\n' });
    expect((await launch(['service']).ended).code).toBe(2);
    expect((await launch(['toString']).ended).code).toBe(2);
  });
});
