/**
 * A map that keeps an entry for at least the last `entriesMax` additions or `ageMs`, whichever is less, and at most twice that.
 * Two generations instead of a time for each entry: 100 bytes an entry less, and nothing to sweep.
 */
export class RotatingMap<V> {
  private current = new Map<string, V>();
  private previous = new Map<string, V>();
  private rotatedAtMs = Date.now();

  constructor(
    private readonly entriesMax: number,
    private readonly ageMs: number,
  ) {}

  get size(): number {
    return this.current.size + this.previous.size;
  }

  get(key: string): V | undefined {
    return this.current.get(key) ?? this.previous.get(key);
  }

  set(key: string, value: V): void {
    if (this.current.size >= this.entriesMax || Date.now() - this.rotatedAtMs >= this.ageMs) {
      this.previous = this.current;
      this.current = new Map();
      this.rotatedAtMs = Date.now();
    }
    this.current.set(key, value);
  }
}
