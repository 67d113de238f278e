import type { Candidate } from './candidate.ts';

/** The series of a metric by their labels, as a service tells them over HTTP. */
export const seriesOf = async (service: Candidate, name: string): Promise<Record<string, number>> => {
  const address = /ready on (http:\S+)/.exec(await service.ready)?.[1] ?? '';
  const text = await (await fetch(`${address}/metrics`)).text();
  const series = [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].filter(([, of]) => of === name);
  return Object.fromEntries(series.map(([, , labels = '', value]) => [labels, Number(value)]));
};

/** The sum of a metric's series, of those with this label only. */
export const metricOf = async (service: Candidate, name: string, label = ''): Promise<number> =>
  Object.entries(await seriesOf(service, name)).reduce((sum, [labels, value]) => sum + (labels.includes(label) ? value : 0), 0);

/** How invocations ended: `succeeded`, or a disposition with its reason. */
export const outcomesOf = async (invoker: Candidate): Promise<Record<string, number>> =>
  Object.fromEntries(
    Object.entries(await seriesOf(invoker, 'cf_invocations_total')).map(([labels, count]) => {
      const [, disposition = ''] = /disposition="(\w+)"/.exec(labels) ?? [];
      const [, reason = ''] = /reason="(\w+)"/.exec(labels) ?? [];
      return [reason === 'none' ? disposition : `${disposition}: ${reason}`, count];
    }),
  );
