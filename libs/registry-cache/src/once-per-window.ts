/** Whether something is the first of its kind in a window of time. Beyond `keysMax` kinds nothing is the first any more until the next window. */
export class OncePerWindow {
  private readonly seen = new Set<string>();
  private endsAtMs = 0;

  constructor(
    private readonly windowMs: number,
    private readonly keysMax: number,
  ) {}

  isFirst(key: string, nowMs: number): boolean {
    if (nowMs >= this.endsAtMs) {
      this.seen.clear();
      this.endsAtMs = nowMs + this.windowMs;
    }
    if (this.seen.has(key) || this.seen.size >= this.keysMax) return false;
    this.seen.add(key);
    return true;
  }
}
