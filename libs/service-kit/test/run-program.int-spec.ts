/** Real: a program as its own process, signals, exit codes, an IPC channel to a launcher. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from '@jest/globals';
import { eventually } from '@cf/testing';

const BEGINNING = `
  import { setTimeout } from 'node:timers/promises';
  import { runProgram, InvalidSettingsError } from './libs/service-kit/src/index.ts';
  const say = (text) => process.stdout.write(text + '\\n');
  // A server keeps its process alive, and so does this.
  setInterval(() => undefined, 60_000);
`;

const run = (body: string, stdio: 'ipc' | 'ignore' = 'ignore') => {
  const child: ChildProcess = spawn(
    process.execPath,
    [
      '--import',
      './tools/from-source.mjs',
      '--conditions=@cf/source',
      '--input-type=module',
      '--eval',
      `${BEGINNING} await runProgram('test', async ({ atEnd }) => { ${body} });`,
    ],
    { stdio: ['ignore', 'pipe', 'pipe', stdio], env: { PATH: process.env['PATH'] } },
  );
  const output = { said: '', errors: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output.said += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output.errors += text));
  // After `disconnect` there is no 'close', so what it waits for is waited for here.
  const ended = Promise.all([once(child, 'exit'), ...[child.stdout, child.stderr].map((pipe) => pipe && once(pipe, 'end'))]).then(
    ([[code]]) => code as number,
  );
  return { child, output, ended, saying: (text: string) => eventually(() => expect(output.said).toContain(text), 20_000) };
};

it('closes what it opened in reverse order at SIGTERM, however often that comes, and exits 0', async () => {
  const { child, output, ended, saying } = run(`
    atEnd(async () => say('log closed'));
    atEnd(async () => { say('draining'); await setTimeout(500); say('drained'); });
    say('ready');
  `);
  await saying('ready');
  child.kill('SIGTERM');
  await saying('draining');
  child.kill('SIGTERM');
  child.kill('SIGINT');
  expect(await ended).toBe(0);
  expect(output.said).toBe('ready\ndraining\ndrained\nlog closed\n');
});

it('closes what it opened when it is stopped while it still starts', async () => {
  const { child, output, ended, saying } = run(`
    atEnd(async () => say('database closed'));
    say('starting');
    await setTimeout(300);
    throw new Error('the database went away under the start');
  `);
  await saying('starting');
  child.kill('SIGINT');
  expect(await ended).toBe(0);
  expect(output.said).toBe('starting\ndatabase closed\n');
});

it('ends as by SIGTERM when its launcher is gone, while it starts too', async () => {
  const { child, output, ended, saying } = run(
    `atEnd(async () => say('closed')); say('starting'); await setTimeout(300); say('ready');`,
    'ipc',
  );
  await saying('starting');
  child.disconnect();
  expect(await ended).toBe(0);
  expect(output.said).toBe('starting\nready\nclosed\n');
});

it('closes what it had opened when the start fails, says why last, and exits 1', async () => {
  const { output, ended } = run(`
    atEnd(async () => say('closed'));
    throw new InvalidSettingsError([{ name: 'PORT', detail: 'must be a whole number' }]);
  `);
  expect(await ended).toBe(1);
  expect(output).toEqual({ said: 'closed\n', errors: 'Cannot start: PORT: must be a whole number\n' });
});

it('tells an error that nobody foresaw with its stack, and the reason last', async () => {
  const { output, ended } = run(`throw new Error('out of paper');`);
  expect(await ended).toBe(1);
  const lines = output.errors.trimEnd().split('\n');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'fatal', err: { stack: expect.stringContaining('out of paper') } });
  expect(lines.at(-1)).toBe('Cannot start: out of paper');
});
