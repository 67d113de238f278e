/** `node tools/checker/main.ts FOLDER`: judges the run whose facts lie there; exit code 1 when a promise was broken. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkCalls } from './check-calls.ts';
import { checkInvokers } from './check-invokers.ts';
import { readFacts } from './facts-folder.ts';
import { readInvokersFacts } from './invokers-facts.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: node tools/checker/main.ts FOLDER');
const isOfInvokers = existsSync(join(folder, 'run.json'));
const { violations, figures } = isOfInvokers ? checkInvokers(readInvokersFacts(folder)) : checkCalls(readFacts(folder));
process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
for (const violation of violations.slice(0, 100)) process.stdout.write(`BROKEN: ${violation}\n`);
process.exitCode = violations.length === 0 ? 0 : 1;
