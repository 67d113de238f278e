/**
 * How many calls of a slow function may run at once, learned from how they end (additive increase, multiplicative decrease, as TCP
 * does). A function that is well has no entry and may use its whole cap.
 *
 * - A call that shows overload (it timed out, or was answered 429) halves the limit. The calls that ran beside it began under the
 *   old limit, so only calls that begin afterwards count again: fifty that time out together halve it once.
 * - A call that ended well adds 1 ÷ limit: about one slot for each round of calls. At the cap the entry goes.
 * - The limit is never below 1: some call has to find out that the function is well again. After a minute without calls nothing is
 *   known any more.
 */
const DECREASE = 2;
const IDLE_MS = 60_000;
/** Slow functions at once; of more than this, those called least lately start again from their cap. */
const ENTRIES_MAX = 4_000;

interface Entry {
  limit: number;
  decreasedAtMs: number;
  usedAtMs: number;
}

const isQuiet = ({ usedAtMs }: Entry, nowMs: number): boolean => nowMs - usedAtMs >= IDLE_MS;

export interface EndedCall {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly overloaded: boolean;
}

export class AdaptiveLimits {
  /** Least recently used first. */
  private readonly entries = new Map<string, Entry>();

  /** Every function may use its cap. */
  get isIdle(): boolean {
    return this.entries.size === 0;
  }

  /** Slots of the function now, at most its cap. */
  limitOf(key: string, cap: number, nowMs: number): number {
    const entry = this.entries.get(key);
    return entry === undefined || isQuiet(entry, nowMs) ? cap : Math.max(1, Math.min(cap, Math.floor(entry.limit)));
  }

  ended(key: string, cap: number, { startedAtMs, endedAtMs, overloaded }: EndedCall): void {
    const known = this.entries.get(key);
    if (known === undefined && !overloaded) return;
    if (known !== undefined && startedAtMs < known.decreasedAtMs) return;
    const limit = known === undefined || isQuiet(known, endedAtMs) ? cap : Math.min(cap, known.limit);
    this.entries.delete(key);
    if (overloaded) {
      this.keep(key, { limit: Math.max(1, limit / DECREASE), decreasedAtMs: endedAtMs, usedAtMs: endedAtMs });
    } else if (limit + 1 / limit < cap) {
      this.keep(key, { limit: limit + 1 / limit, decreasedAtMs: known?.decreasedAtMs ?? 0, usedAtMs: endedAtMs });
    }
  }

  /** Functions below their cap. */
  count(nowMs: number): number {
    for (const [key, entry] of this.entries) {
      if (!isQuiet(entry, nowMs)) break;
      this.entries.delete(key);
    }
    return this.entries.size;
  }

  private keep(key: string, entry: Entry): void {
    const [longestQuiet] = this.entries.size >= ENTRIES_MAX ? this.entries.keys() : [];
    if (longestQuiet !== undefined) this.entries.delete(longestQuiet);
    this.entries.set(key, entry);
  }
}
