import { type CircuitNews, emptyTally, type Tally } from './tally.js';

/** What one recording transaction adds to the health of one function in one bucket of time. */
export interface HealthDelta {
  readonly orgId: string;
  readonly cloudFunctionId: string;
  readonly bucketMs: number;
  readonly tally: Tally;
  readonly circuits: readonly CircuitNews[];
}

type Written = [orgId: string, cloudFunctionId: string, bucketMs: number, tally: Partial<Tally>, circuits?: readonly CircuitNews[]];

const isNothing = (value: unknown): boolean => value === 0 || (typeof value === 'object' && Object.keys(value ?? {}).length === 0);

/** Without what is nothing: a recorder writes one of these for each batch. */
export const writeDeltas = (deltas: readonly HealthDelta[]): string =>
  JSON.stringify(
    deltas.map(({ orgId, cloudFunctionId, bucketMs, tally, circuits }): Written => {
      const counted = Object.fromEntries(Object.entries(tally).filter(([, value]) => !isNothing(value)));
      return circuits.length === 0 ? [orgId, cloudFunctionId, bucketMs, counted] : [orgId, cloudFunctionId, bucketMs, counted, circuits];
    }),
  );

export const readDeltas = (text: string): HealthDelta[] =>
  (JSON.parse(text) as Written[]).map(([orgId, cloudFunctionId, bucketMs, tally, circuits = []]) => ({
    orgId,
    cloudFunctionId,
    bucketMs,
    tally: { ...emptyTally, ...tally },
    circuits,
  }));
