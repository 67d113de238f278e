import { type InvocationResult, STEP_IDEMPOTENCY_MS } from '@cf/contract';
import { withoutAnswers } from '../invocation-results.publisher.js';
import { RotatingMap } from './rotating-map.js';

/** About 2 KiB each; at 100 steps/s that is the last minute or two, in which executors and partitions change hands. */
const RESULTS_MAX = 5_000;

/**
 * The steps that this process is calling or has called lately. A partition that is lost and comes back, or an executor that asks
 * again after a crash, gets the result of the call that was made.
 */
export class RecentSteps {
  private readonly running = new Map<string, Promise<InvocationResult>>();
  private readonly ended = new RotatingMap<InvocationResult>(RESULTS_MAX, STEP_IDEMPOTENCY_MS);

  once(
    key: string,
    call: () => Promise<InvocationResult>,
  ): { readonly result: Promise<InvocationResult> | InvocationResult; readonly repeated: boolean } {
    const known = this.running.get(key) ?? this.ended.get(key);
    if (known !== undefined) return { result: known, repeated: true };
    const result = call()
      .then((ended) => {
        this.ended.set(key, withoutAnswers(ended));
        return ended;
      })
      .finally(() => this.running.delete(key));
    this.running.set(key, result);
    return { result, repeated: false };
  }
}
