import { isRetryable } from '../is-retryable.js';

export interface BatchLimits {
  /** Items in one write. */
  readonly itemsMax: number;
  /** Bytes in one write; a larger item is written alone. */
  readonly bytesMax: number;
  readonly writesAtOnceMax: number;
}

interface Waiting<T> {
  readonly item: T;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writes what came while the last write ran, so that batches grow with the load and a lone item does not wait.
 * `add` resolves once the write of its batch has succeeded. A batch that fails for good is halved until the offender is
 * alone: only that one is rejected. How many items wait is bounded by the consumer, which completes none before that.
 */
export class BatchWriter<T> {
  private readonly waiting: Waiting<T>[] = [];
  private running = 0;

  constructor(
    private readonly write: (items: readonly T[]) => Promise<void>,
    private readonly limits: BatchLimits,
  ) {}

  add(item: T, bytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, bytes, resolve, reject });
      // Everything that arrives in this turn of the event loop shares a batch.
      if (this.waiting.length === 1) setImmediate(() => this.pump());
    });
  }

  private pump(): void {
    while (this.running < this.limits.writesAtOnceMax && this.waiting.length > 0) {
      this.running++;
      void this.writeAll(this.takeBatch()).finally(() => {
        this.running--;
        this.pump();
      });
    }
  }

  private takeBatch(): Waiting<T>[] {
    let count = 0;
    let bytes = 0;
    for (const { bytes: more } of this.waiting) {
      if (count > 0 && (count >= this.limits.itemsMax || bytes + more > this.limits.bytesMax)) break;
      count++;
      bytes += more;
    }
    return this.waiting.splice(0, count);
  }

  private async writeAll(batch: readonly Waiting<T>[]): Promise<void> {
    try {
      await this.write(batch.map(({ item }) => item));
      for (const { resolve } of batch) resolve();
    } catch (error) {
      if (isRetryable(error) || batch.length === 1) {
        for (const { reject } of batch) reject(error);
        return;
      }
      const half = Math.ceil(batch.length / 2);
      await this.writeAll(batch.slice(0, half));
      await this.writeAll(batch.slice(half));
    }
  }
}
