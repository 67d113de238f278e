import { sameId } from '@cf/contract';
import type { FunctionOf, HealthBucket, Span } from './function-health.repository.js';
import { addTallies, emptyTally, type Tally } from './tally.js';

export const functionKey = ({ orgId, cloudFunctionId }: FunctionOf): string => `${sameId(orgId)}/${sameId(cloudFunctionId)}`;

const bucketKey = (of: FunctionOf, bucketMs: number): string => `${functionKey(of)}/${bucketMs}`;

export const byFunction = <T extends FunctionOf>(items: readonly T[]): Map<string, T[]> => {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(functionKey(item));
    if (group === undefined) groups.set(functionKey(item), [item]);
    else group.push(item);
  }
  return groups;
};

/** The function that all of a group are of. */
export const placeOf = ([first]: readonly FunctionOf[]): FunctionOf => {
  if (first === undefined) throw new Error('a group of nothing');
  return { orgId: first.orgId, cloudFunctionId: first.cloudFunctionId };
};

/** The buckets of one span that the deltas change, with what was in them. */
export const foldInto = (
  known: readonly HealthBucket[],
  deltas: readonly (FunctionOf & { readonly bucketMs: number; readonly tally: Tally })[],
  span: Span,
): HealthBucket[] => {
  const before = new Map(known.map((bucket) => [bucketKey(bucket, bucket.bucketAt.getTime()), bucket]));
  const changed = new Map<string, HealthBucket>();
  for (const { orgId, cloudFunctionId, bucketMs, tally } of deltas) {
    const key = bucketKey({ orgId, cloudFunctionId }, bucketMs);
    const sum = changed.get(key) ?? before.get(key);
    changed.set(key, { orgId, cloudFunctionId, bucketAt: new Date(bucketMs), span, tally: addTallies(sum?.tally ?? emptyTally, tally) });
  }
  return [...changed.values()];
};
