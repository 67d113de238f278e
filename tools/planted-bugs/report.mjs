import { spawnSync } from 'node:child_process';
import { root } from '../run/root.mjs';
import { writeReport } from '../write-report.mjs';
import { isCaught } from './judge.mjs';

const commitOfSources = () => {
  const git = (...args) => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout?.trim() ?? '';
  const changed = git('status', '--porcelain', '--', 'libs/messaging') === '' ? '' : ' with changes';
  return `${git('rev-parse', '--short', 'HEAD') || 'unknown'}${changed}`;
};

const cell = (text) => text.replaceAll('|', '\\|');

const row = ({ name, sentence, outcome, stage, tests }) => {
  const more = tests.length > 1 ? ` (and ${tests.length - 1} more)` : '';
  const by = outcome === 'caught' ? cell(tests[0]) : `**${outcome}** ${cell(tests[0] ?? '')}`;
  return `| \`${name}\` | ${cell(sentence)} | ${stage ?? ''} | ${by}${more} |`;
};

/** The outcome of a whole run as a page of docs/reports. */
export const reportBugs = async (bugs, startedAt, tookMs) => {
  const caught = bugs.filter(({ outcome }) => isCaught(outcome)).length;
  const text = `# Bugs that were planted to be caught

\`npm run planted-bugs\`, ${startedAt.toISOString()}, ${Math.ceil(tookMs / 60_000)} minutes, on commit ${commitOfSources()}. Each bug is a patch in
\`tools/planted-bugs/patches\`, planted alone in a copy of the sources. The suite runs in parts, the cheapest first (models of tracker,
codec, scheduler and guard; scripted histories; 2,000 simulated ones), until one of them fails or does not end; without a bug all of them pass, each in
time. A bug that crashes the runner, or breaks the code so that nothing runs, is not caught.

**${caught} of ${bugs.length} caught.**

| bug | what it does | part | test |
| --- | ------------ | --------- | ---- |
${bugs.map(row).join('\n')}
`;
  await writeReport('planted-bugs', text);
};
