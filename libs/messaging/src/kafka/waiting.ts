import { setTimeout as delay } from 'node:timers/promises';

/** Waits that double between two bounds, with jitter so that clients of one broker don't come back together. */
export class BackOff {
  #attempt = 0;

  constructor(
    private readonly firstMs = 100,
    private readonly maxMs = 2_000,
  ) {}

  reset(): void {
    this.#attempt = 0;
  }

  nextMs(): number {
    return Math.min(this.maxMs, this.firstMs * 2 ** this.#attempt++) * (0.75 + Math.random() / 2);
  }

  async wait(signal?: AbortSignal): Promise<void> {
    await pause(this.nextMs(), signal);
  }
}

/** Ends early, without an error, when the signal is aborted. */
export const pause = (waitMs: number, signal?: AbortSignal): Promise<void> => delay(waitMs, undefined, { signal }).catch(() => undefined);

/** Waits for the work, but not longer: undefined when it took too long. */
export async function within<T>(work: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  const done = new AbortController();
  try {
    return await Promise.race([work, pause(timeoutMs, done.signal).then(() => undefined)]);
  } finally {
    done.abort();
  }
}
