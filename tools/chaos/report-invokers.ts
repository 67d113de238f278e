import type { InvokersVerdict } from '../checker/check-invokers.js';
import type { Lane } from '../checker/invocation-plan.js';
import type { FaultEffect } from '../checker/judge-calls.js';

const NAMES = {
  kill: 'SIGKILL of an invoker',
  pause: 'SIGSTOP of an invoker for longer than its session, SIGCONT',
  broker: 'restart of the broker',
  restart: 'graceful restart of an invoker (SIGTERM)',
} as const;
type Kind = keyof typeof NAMES;

const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] => [
  `| ${head.join(' | ')} |`,
  `|${head.map(() => ' --- ').join('|')}|`,
  ...rows.map((row) => `| ${row.join(' | ')} |`),
];

const rowOf = (kind: Kind, effects: readonly FaultEffect[]): (string | number)[] => {
  const of = effects.filter(({ fault }) => fault.kind === kind);
  const worst = (lane: Lane): string => {
    const [effect] = of.toSorted((a, b) => b.repeated[lane] - a.repeated[lane]);
    return `${effect?.repeated[lane] ?? 0} of ${effect?.repeatedMax[lane] ?? 0}`;
  };
  const total = of.reduce((sum, { repeated }) => sum + repeated.trigger + repeated.step, 0);
  return [NAMES[kind], of.length, total, worst('trigger'), worst('step'), of.reduce((sum, { overlaps }) => sum + overlaps, 0)];
};

/** The report of an invokers run in Markdown. */
export const reportInvokers = (
  { violations, violationCount, effects, figures }: InvokersVerdict,
  command: string,
  machine: string,
): string =>
  [
    '# Invokers that are killed, paused and restarted under load',
    '',
    `\`${command}\`, ${new Date().toISOString()}, on ${machine}, which also run the broker, the load and the endpoint.`,
    'The endpoint writes down each call as it begins and ends, and knows each worker by the address that it dialled. `tools/checker` compares that',
    "with the topics' own logs: requests, results, step results, and every commit in `__consumer_offsets`.",
    '',
    ...table(
      ['fault', 'times', 'calls repeated', 'most trigger calls by one', 'most step calls by one', 'overlaps in an order key'],
      (Object.keys(NAMES) as Kind[]).map((kind) => rowOf(kind, effects)),
    ),
    '',
    'A fault may repeat what its worker had in flight and what it had completed since its last commit (`most … of` that bound, which counts what was',
    'called since the broker went when a fault comes within 5 s of its return: nothing may have been committed since). An overlap is a',
    'call of an order key that begins while an earlier one still runs at the endpoint, whose worker died or lost its session. What a slow function',
    'gets beyond its quota is deferred; nobody here sends it again, so it is counted, and a deferral that was called all the same needs a fault.',
    '',
    ...table(['what', 'how many'], Object.entries(figures)),
    '',
    violationCount === 0 ? 'No promise was broken.' : `${violationCount} promises were broken, the first of them:`,
    ...(violationCount === 0 ? [] : ['', ...violations.slice(0, 20).map((violation) => `- ${violation}`)]),
    '',
  ].join('\n');
