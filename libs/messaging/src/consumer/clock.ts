import { performance } from 'node:perf_hooks';

/** Time and chance as the engine sees them: it has no other source of either, so that a simulation can replay any of its histories. */
export interface Clock {
  /** Monotonic. */
  nowMs(): number;
  /** From 0 up to 1. */
  random(): number;
  /** Calls back once after the delay; returns what cancels that. */
  after(delayMs: number, callback: () => void): () => void;
  every(intervalMs: number, callback: () => void): () => void;
  /** Calls back when sockets and timers had their turn. */
  nextTurn(callback: () => void): void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  random: () => Math.random(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
  every(intervalMs, callback) {
    const timer = setInterval(callback, intervalMs);
    return () => clearInterval(timer);
  },
  nextTurn: (callback) => void setImmediate(callback),
};

/** Resolves after the delay, or as soon as the signal is aborted. */
export const pause = (clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const over = (): void => {
      cancel();
      signal?.removeEventListener('abort', over);
      resolve();
    };
    const cancel = clock.after(delayMs, over);
    signal?.addEventListener('abort', over);
  });
