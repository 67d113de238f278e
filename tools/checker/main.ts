/** `node tools/checker/main.ts FOLDER`: judges the run whose facts lie there; exit code 1 when a promise was broken. */
import { checkCalls } from './check-calls.ts';
import { readFacts } from './facts-folder.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: node tools/checker/main.ts FOLDER');
const { violations, figures } = checkCalls(readFacts(folder));
process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
for (const violation of violations.slice(0, 100)) process.stdout.write(`BROKEN: ${violation}\n`);
process.exitCode = violations.length === 0 ? 0 : 1;
