import type { Candidate } from './candidate.ts';

/** The sum of a metric's series, those with this label only, as a service tells it over HTTP. */
export const metricOf = async (service: Candidate, name: string, label = ''): Promise<number> => {
  const address = /ready on (http:\S+)/.exec(await service.ready)?.[1] ?? '';
  const text = await (await fetch(`${address}/metrics`)).text();
  const series = [...text.matchAll(/^(\w+)(\{.*\})? (\S+)$/gm)].filter(([, of, labels = '']) => of === name && labels.includes(label));
  return series.reduce((sum, [, , , value]) => sum + Number(value), 0);
};
