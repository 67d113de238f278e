import { type FunctionOf, functionKey } from './function-of.js';
import type { HealthBucket, Span } from './function-health.repository.js';
import { addTallies, emptyTally, type Tally } from './tally.js';

const bucketKey = (of: FunctionOf, bucketMs: number): string => `${functionKey(of)}/${bucketMs}`;

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
