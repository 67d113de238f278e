interface Entry<V> {
  readonly value: V;
  readonly partition: number;
  readonly expiresAtMs: number;
  readonly bytes: number;
}

/**
 * Values of owned partitions, the first one of a key. They are forgotten when their time is over, when there are too many
 * (oldest first) and with their partition.
 */
export class ExpiringEntries<V> {
  private readonly entries = new Map<string, Entry<V>>();
  private bytesHeld = 0;

  constructor(private readonly limits: { readonly entriesMax: number; readonly bytesMax?: number }) {}

  get size(): number {
    return this.entries.size;
  }

  get bytes(): number {
    return this.bytesHeld;
  }

  get(key: string): V | undefined {
    const entry = this.entries.get(key);
    return entry === undefined || entry.expiresAtMs <= Date.now() ? undefined : entry.value;
  }

  take(key: string): V | undefined {
    const value = this.get(key);
    this.remove(key);
    return value;
  }

  add(key: string, value: V, place: { partition: number; expiresAtMs: number; bytes?: number }): void {
    if (this.get(key) !== undefined) return;
    this.remove(key);
    this.entries.set(key, { value, partition: place.partition, expiresAtMs: place.expiresAtMs, bytes: place.bytes ?? 0 });
    this.bytesHeld += place.bytes ?? 0;
    this.forgetOldest();
  }

  drop(partitions: ReadonlySet<number>): void {
    for (const [key, { partition }] of this.entries) if (partitions.has(partition)) this.remove(key);
  }

  private forgetOldest(): void {
    const nowMs = Date.now();
    for (const [key, { expiresAtMs }] of this.entries) {
      const tooMany = this.entries.size > this.limits.entriesMax || this.bytesHeld > (this.limits.bytesMax ?? Infinity);
      if (!tooMany && expiresAtMs > nowMs) return;
      this.remove(key);
    }
  }

  private remove(key: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.bytesHeld -= entry.bytes;
    this.entries.delete(key);
  }
}
