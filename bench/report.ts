/** docs/reports/benchmarks.md: the latest result of each part, with the conditions it was measured under. No figure in it is written by hand. */
import { writeReport } from '../tools/write-report.mjs';
import { type PartResult, readResults } from './results.ts';

type Row = Readonly<Record<string, unknown>>;
type Rows = Readonly<Record<string, Row>>;

const grouped = (value: number): string => (Math.abs(value) >= 1_000 ? value.toLocaleString('en-US') : String(value));

const cell = (value: unknown): string => {
  if (Array.isArray(value)) return value.map(cell).join(' – ');
  if (typeof value === 'number') return grouped(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (value === null || value === undefined) return '–';
  if (typeof value === 'object')
    return Object.entries(value)
      .map(([name, of]) => `${name} ${cell(of)}`)
      .join(', ');
  return JSON.stringify(value).slice(1, -1);
};

const headings: Readonly<Record<string, string>> = {
  callsPerSecond: 'calls/s',
  from: 'from – to',
  cpuUsPerCall: 'CPU µs a call',
  endpointCore: 'endpoint, of a core',
  p50Ms: 'p50 ms',
  p99Ms: 'p99 ms',
  p99From: 'p99, from – to',
  heapUsedMiB: 'heap MiB',
  rssMiB: 'memory MiB',
  bufferedMiB: 'window MiB',
  externalMiB: 'buffers MiB',
  p50From: 'p50, from – to',
  inFlight: 'calls at once',
  invocationsPerSecond: 'invocations/s',
  nodeCpuUs: 'Node, CPU µs each',
  postgresCpuUs: 'Postgres, CPU µs each',
  walBytes: 'WAL bytes each',
};

const table = (rows: Rows, first: string): string => {
  const columns = [...new Set(Object.values(rows).flatMap((row) => Object.keys(row)))];
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return (
    line([first, ...columns.map((column) => headings[column] ?? column)]) +
    line(['-', ...columns.map(() => '-:')]) +
    Object.entries(rows)
      .map(([name, row]) => line([name, ...columns.map((column) => cell(row[column]))]))
      .join('')
  );
};

interface Section {
  readonly title: string;
  readonly parts: readonly string[];
  readonly text: string;
  readonly show: (result: Readonly<Record<string, unknown>>, part: string) => string;
}

const asRows = (value: unknown): Rows => value as Rows;
const pick = (of: Row, ...names: readonly string[]): Row => Object.fromEntries(names.map((name) => [name, of[name]]));

const contest = ({ medians, ratios, ofCeiling }: Row, part: string): string => {
  const share = typeof ofCeiling === 'number' ? `\nThe invoker reaches ${ofCeiling} of what the endpoint allows.\n` : '';
  const beside = Object.keys(ratios as object).length === 0 ? '' : `\n${table(asRows(ratios), 'medians, of one run')}`;
  return `### ${part}\n\n${table(asRows(medians), 'contender')}${beside}${share}`;
};

const sections: readonly Section[] = [
  {
    title: 'Calls a second beside peers',
    parts: ['zero', '50ms', 'bimodal', 'hang', 'hot', 'drain', 'signed', '100ms'],
    text: `The endpoint answers at once (\`zero\`), after 50 ms, after 5 ms or 1 s (one in twenty), or one function of twenty never answers (\`hang\`: the others are
counted); half the calls belong to one chat (\`hot\`); 60,000 waiting requests from the first call to the last, 5 ms each (\`drain\`); calls are signed too
(\`signed\`); an endpoint at its limit of 40 at once (\`100ms\`). CPU time is that of all processes of a contender.`,
    show: contest,
  },
  {
    title: 'A steady rate with its latency',
    parts: ['steady'],
    text: 'From publishing a request to reading its result, at a rate that each contender holds.',
    show: ({ perSecond, delayMs, medians }) =>
      `${cell(perSecond)} a second, the endpoint takes ${cell(delayMs)} ms.\n\n${table(asRows(medians), 'contender')}`,
  },
  {
    title: 'The whole path from chat.events',
    parts: ['whole-path'],
    text: 'Trigger-matcher and invoker beside Restate, which subscribes to the same topic and calls in a durable step of its handler; 256 at once.',
    show: ({ medians, ratios }) => `${table(asRows(medians), 'side')}\n${table(asRows(ratios), 'medians')}`,
  },
  {
    title: 'Round trip of a step',
    parts: ['steps'],
    text: 'Step-executor and invoker between four topics, beside two bare relays that do nothing between four such topics. Ratios are medians of the rounds’ own.',
    show: ({ perSecond, medians, ratios }) =>
      `${cell(perSecond)} a second.\n\n${table(asRows(medians), 'path')}\n${table({ ratio: ratios as Row }, '')}`,
  },
  {
    title: 'A dead function among twenty that take all there is',
    parts: ['saturation'],
    text: `Calls a second of the nineteen others while a backlog is worked off, the very same one in both arms: all of the twenty answer, or one never does. Its
requests are called and time out, or are deferred: by its quota of the window, and once its circuit is open.`,
    show: ({ byChats }) =>
      Object.entries(asRows(byChats))
        .map(
          ([chats, { medians, ratio, outcomes }]) =>
            `### ${chats}\n\n${table(asRows(medians), 'arm')}\n${table({ 'one dead to all well': ratio as Row }, 'ratio of rates, by round')}\n${table({ 'one dead, last round': outcomes as Row }, 'how all twenty ended')}`,
        )
        .join('\n'),
  },
  {
    title: 'A dead function among twenty at a steady rate',
    parts: ['isolation'],
    text: 'Time from publish to result of the nineteen others. Each round has two arms in which all is well; what they differ by is noise.',
    show: ({ perSecond, medians, ratiosOfP99 }) =>
      `${cell(perSecond)} a second.\n\n${table(asRows(medians), 'arm')}\n${table(asRows(ratiosOfP99), 'ratio of p99, by round')}`,
  },
  {
    title: 'Many chats, many functions',
    parts: ['flatness'],
    text: 'Timers are all that live in the process, those that do not keep it alive too. Of the circuits that a lane remembers 4,000 open.',
    show: ({ byChats, byFunctions, open, ratios }) =>
      `${table(asRows(byChats), 'chats')}\n${table(asRows(byFunctions), 'functions')}\n${table({ 'circuits open': open as Row }, '')}\n${table({ 'CPU a call': ratios as Row }, '')}`,
  },
  {
    title: 'Recording executions',
    parts: ['recorder'],
    text: `From the topics of results to committed rows, Postgres with fsync on the same machine, twice at each size: just after a checkpoint,
when the first change of each page writes the whole page to the WAL, and once that is done, as it goes on until the next checkpoint.`,
    show: ({ invocations, figures, size }) => {
      const rows = (figures as readonly ({ rowsBefore: number; sinceCheckpoint: number } & Row)[]).map(
        ({ rowsBefore, sinceCheckpoint, ...figure }) => [
          `${grouped(rowsBefore)}${sinceCheckpoint === 0 ? ', after a checkpoint' : ', later'}`,
          figure,
        ],
      );
      return `${cell(invocations)} invocations in each, ${String(size)} in the end.\n\n${table(Object.fromEntries(rows) as Rows, 'rows before')}`;
    },
  },
  {
    title: 'Overload',
    parts: ['overload'],
    text: 'Requests arrive half as fast again as they are answered, then the endpoint recovers.',
    show: ({ series, ...figures }) => {
      const samples = series as readonly { second: number }[];
      const rows = Object.fromEntries(samples.map(({ second, ...sample }) => [`${second} s`, sample]));
      return `${table({ invoker: pick(figures, 'minutes', 'arrivingPerSecond', 'answeredPerSecond', 'published', 'called', 'outcomes') }, '')}
${table({ invoker: pick(figures, 'lagAtTheEnd', 'drainedInSeconds', 'lagAfterwards', 'rssAtReadyMiB', 'rssPeakMiB', 'budgetMiB', 'withinBudget') }, '')}
${table(rows, 'after')}`;
    },
  },
];

const conditionsOf = ([part, { at, rounds, tookSeconds, machine }]: readonly [string, PartResult]): readonly [string, Row] => [
  part,
  { at, rounds, seconds: tookSeconds, machine },
];

export const reportBenchmarks = async (): Promise<void> => {
  const results = readResults();
  const told = sections
    .map(({ title, parts, text, show }) => ({
      title,
      text,
      shown: parts.flatMap((part) => (results[part] ? [show(results[part].result as Row, part)] : [])),
    }))
    .filter(({ shown }) => shown.length > 0);
  const parts = new Set(sections.flatMap((section) => section.parts));
  const conditions = Object.fromEntries(
    Object.entries(results)
      .filter(([part]) => parts.has(part))
      .map((each) => conditionsOf(each)),
  );
  const text = `# Benchmarks

Written by \`npm run bench -- report\` from the latest run of each part; \`bench/README.md\` says how they measure. Broker, endpoint and contender share
the machine, so only ratios within one run carry over. Figures are medians of interleaved rounds; “from – to” are the least and the most.

${told.map(({ title, text, shown }) => `## ${title}\n\n${text}\n\n${shown.join('\n')}`).join('\n')}
## Conditions

${table(conditions, 'part')}`;
  await writeReport('benchmarks', text);
  process.stdout.write('docs/reports/benchmarks.md is written\n');
};
