/** Functions remembered; more than this at once ask to be left alone nowhere. */
const PAUSES_MAX = 10_000;

/**
 * Functions whose endpoint asked to be left alone for a while (`Retry-After`). Triggers wait until then; steps and tests still go,
 * since a person waits for each. The caller bounds how long.
 */
export class AskedPauses {
  /** Those that were asked for longest ago first. */
  private readonly ends = new Map<string, number>();

  /** Of several answers the latest end counts. */
  ask(key: string, untilMs: number): void {
    const known = this.ends.get(key);
    if (known !== undefined && known >= untilMs) return;
    this.ends.delete(key);
    const [oldest] = this.ends.size >= PAUSES_MAX ? this.ends.keys() : [];
    if (oldest !== undefined) this.ends.delete(oldest);
    this.ends.set(key, untilMs);
  }

  /** The end of the pause, ms since the epoch; null when there is none. */
  endOf(key: string, nowMs: number): number | null {
    if (this.ends.size === 0) return null;
    const untilMs = this.ends.get(key);
    if (untilMs === undefined) return null;
    if (untilMs > nowMs) return untilMs;
    this.ends.delete(key);
    return null;
  }

  count(nowMs: number): number {
    for (const [key, untilMs] of this.ends) if (untilMs <= nowMs) this.ends.delete(key);
    return this.ends.size;
  }
}
