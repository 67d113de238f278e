/** `npm run chaos -- --triggers 100000`: events whose endpoint fails while everything is killed; told in docs/reports/chaos.md. */
import { mkdtempSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkCalls } from '../checker/check-calls.js';
import { readFacts } from '../checker/facts-folder.js';
import { writeReport } from '../write-report.mjs';
import { runChaos } from './run-chaos.js';

const text = { type: 'string' } as const;
const { values } = parseArgs({ options: { triggers: text, 'per-second': text, 'fault-every-ms': text } });
const triggers = Number(values.triggers ?? 100_000);
const perSecond = Number(values['per-second'] ?? 200);
const faultEveryMs = Number(values['fault-every-ms'] ?? 30_000);

const say = (line: string): void => void process.stdout.write(`${new Date().toISOString()} ${line}\n`);
const folder = mkdtempSync(join(tmpdir(), 'cf-chaos-facts-'));
const startedAt = new Date();
say(`${triggers} triggers at ${perSecond}/s; the facts are written to ${folder}`);
await runChaos({ folder, triggers, perSecond, faultEveryMs, say });

const facts = readFacts(folder);
const { violations, figures } = checkCalls(facts);
const kinds = [...new Set(facts.faults.map(({ kind }) => kind))];
const byKind = kinds.map((kind) => `${facts.faults.filter((fault) => fault.kind === kind).length} of ${kind}`);
const minutes = Math.round((Date.now() - startedAt.getTime()) / 60_000);
const rows = Object.entries(figures).map(([name, value]) => `| ${name} | ${value} |`);
await writeReport(
  'chaos',
  [
    '# Triggers that fail and retry while everything is killed',
    '',
    `\`npm run chaos -- --triggers ${triggers} --per-second ${perSecond} --fault-every-ms ${faultEveryMs}\`, ${startedAt.toISOString()}, ${minutes} minutes`,
    `on ${cpus().length} cores with Node ${process.version}: services as processes on one Kafka broker and one Postgres; \`kill -9\` ${byKind.join(', ')}.`,
    'The endpoint writes down each call before it answers; `tools/checker` compares that with what was sent and what the API says.',
    '',
    '| what | how many |',
    '| --- | --- |',
    ...rows,
    '',
    violations.length === 0 ? 'No promise was broken.' : `${violations.length} promises were broken, the first of them:`,
    '',
    ...violations.slice(0, 20).map((violation) => `- ${violation}`),
    '',
  ].join('\n'),
);
say(violations.length === 0 ? 'no promise was broken' : `${violations.length} promises were broken: ${violations[0]}`);
process.exit(violations.length === 0 ? 0 : 1);
