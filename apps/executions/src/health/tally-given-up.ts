import type { Execution } from '../execution.js';
import { byFunction } from './function-of.js';
import type { HealthDelta } from './health-delta.js';
import { bucketMsOf, emptyTally } from './tally.js';

export type GivenUp = Pick<Execution, 'orgId' | 'test'> & { readonly cloudFunctionId: string };

/** What was given up without a result, as the end of its retries. */
export const tallyGivenUp = (given: readonly GivenUp[], nowMs: number): HealthDelta[] =>
  [...byFunction(given.filter(({ test }) => !test)).values()].map((ofFunction) => ({
    orgId: ofFunction[0]!.orgId,
    cloudFunctionId: ofFunction[0]!.cloudFunctionId,
    bucketMs: bucketMsOf(nowMs),
    tally: { ...emptyTally, deadLettered: ofFunction.length },
    circuits: [],
  }));
