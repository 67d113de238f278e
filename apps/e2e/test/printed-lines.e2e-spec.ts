import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from '@jest/globals';
import { eventually } from '@cf/testing';
import { Program } from './harness/processes.js';

const dataDir = mkdtempSync(join(tmpdir(), 'cf-first-start-'));
const programs: Program[] = [];
const start = async (): Promise<Program> => {
  const program = await Program.start('apps/standalone/dist/main.js', { PORT: '0', DATA_DIR: dataDir });
  programs.push(program);
  await eventually(() => expect(program.output).toContain('cloud-functions'));
  return program;
};
const run = async (line: string): Promise<Record<string, unknown>> => {
  const { stdout } = await promisify(execFile)('sh', ['-c', line]);
  return JSON.parse(stdout) as Record<string, unknown>;
};
const linesOf = (program: Program): string[] => program.output.split('\n').filter((line) => line.startsWith('curl '));

afterAll(async () => {
  await Promise.all(programs.map((program) => program.stop()));
  rmSync(dataDir, { recursive: true, force: true });
});

it('the lines printed at the first start work as printed, and a second start keeps the data', async () => {
  const program = await start();
  const [step, event, calls, executions, api, cloudFunction] = linesOf(program) as [string, string, string, string, string, string];
  expect(await run(step)).toMatchObject({ outcome: 'succeeded', branch: { kind: 'option', option: 'Scheduled' }, branchReason: 'matched' });
  expect(await run(event)).toEqual({ accepted: 1 });
  await eventually(async () => {
    const { data } = (await run(calls)) as { data: { body: { type: string } }[] };
    expect(data.map(({ body }) => body.type).sort()).toEqual(['ChatOpened', 'CloudFunctionStepExecution']);
  });
  await eventually(async () => {
    const { data } = (await run(executions)) as { data: { kind: string; status: string }[] };
    expect(data.map(({ kind, status }) => `${kind} ${status}`).sort()).toEqual(['step succeeded', 'trigger succeeded']);
  });
  expect(await run(api)).toMatchObject({ name: 'My API', isReadOnly: false });
  expect(await run(cloudFunction)).toMatchObject({ name: 'My function', branchOptions: ['Scheduled'] });

  expect(await program.stop()).toBe(0);
  const [again] = linesOf(await start()).slice(3);
  const { data } = (await run(again ?? '')) as { data: unknown[] };
  expect(data).toHaveLength(2);
});
