/** `npm run chaos -- invokers --invocations 1000000`: judged by the checker, told in docs/reports/invokers.md. */
import { mkdtempSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkInvokers } from '../checker/check-invokers.js';
import { readInvokersFacts } from '../checker/invokers-facts.js';
import { reportInvokers } from './report-invokers.js';
import type { FaultKind } from './invoker-fleet.js';
import { writeReport } from '../write-report.mjs';
import { runInvokers } from './run-invokers.js';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  allowPositionals: true,
  options: { invocations: text, 'per-second': text, 'fault-every-ms': text, workers: text },
});
const invocations = Number(values.invocations ?? 1_000_000);
const perSecond = Number(values['per-second'] ?? 4_000);
const faultEveryMs = Number(values['fault-every-ms'] ?? 10_000);
const workers = Number(values.workers ?? 3);
const ROUND: readonly FaultKind[][] = [['kill'], ['pause'], ['broker'], ['kill', 'pause'], ['restart']];

const say = (line: string): void => void process.stdout.write(`${new Date().toISOString()} ${line}\n`);
const folder = mkdtempSync(join(tmpdir(), 'cf-invokers-facts-'));
say(`${invocations} invocations by ${workers} invokers, up to ${perSecond}/s; the facts are written to ${folder}`);
await runInvokers({ folder, invocations, perSecond, workers, partitions: 12, faults: ROUND, pauseMsMax: 2 * faultEveryMs, say });

const verdict = checkInvokers(readInvokersFacts(folder));
const command = `npm run chaos -- invokers --invocations ${invocations} --per-second ${perSecond} --fault-every-ms ${faultEveryMs} --workers ${workers}`;
const machine = `${cpus().length} cores with Node ${process.version}`;
await writeReport('invokers', reportInvokers(verdict, command, machine));
const { violations, violationCount } = verdict;
say(violationCount === 0 ? 'no promise was broken' : `${violationCount} promises were broken: ${violations[0]}`);
process.exit(violationCount === 0 ? 0 : 1);
