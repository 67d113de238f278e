import { STEP_IDEMPOTENCY_MS } from '@cf/contract';

/**
 * The first result of each request id among the recent ones. A later record can follow a crash and may say something else; within
 * the time that a request id is unique for, the first one is the result (wire.md §3).
 */
export class FirstResults {
  private readonly results = new Map<string, { readonly value: Buffer; readonly atMs: number }>();

  constructor(private readonly entriesMax: number) {}

  /** The result that counts, given one that just came. `atMs` is its broker time. */
  firstOf(key: string, value: Buffer, atMs: number): Buffer {
    const known = this.results.get(key);
    if (known !== undefined && atMs - known.atMs < STEP_IDEMPOTENCY_MS) return known.value;
    this.results.delete(key);
    // A record's value is part of a whole fetch; a copy lets go of the rest.
    this.results.set(key, { value: Buffer.from(value), atMs });
    for (const oldest of this.results.keys()) {
      if (this.results.size <= this.entriesMax) break;
      this.results.delete(oldest);
    }
    return value;
  }
}
