import { sameId, type ChatEvent } from '@cf/contract';

/**
 * Event ids of one partition with the lowest offset each was seen at. The same id at a lower offset is an earlier delivery of the
 * same event, whose requests are made from there; the record that was seen first is never dropped, however often it is tried.
 */
export class RecentEvents {
  private readonly seen = new Map<string, { offset: number; atMs: number }>();

  constructor(private readonly limits: { readonly windowMs: number; readonly recordsMax: number }) {}

  get size(): number {
    return this.seen.size;
  }

  /** Notes an event; true when it was seen at a lower offset. `atMs` is broker time. */
  isRepeat({ orgId, id }: Pick<ChatEvent, 'orgId' | 'id'>, offset: number, atMs: number): boolean {
    this.forgetOldest(atMs);
    const key = `${sameId(orgId)}/${sameId(id)}`;
    const known = this.seen.get(key);
    if (known !== undefined && known.offset < offset) return true;
    this.seen.set(key, { offset, atMs });
    return false;
  }

  private forgetOldest(nowMs: number): void {
    for (const [key, { atMs }] of this.seen) {
      if (this.seen.size < this.limits.recordsMax && nowMs - atMs <= this.limits.windowMs) return;
      this.seen.delete(key);
    }
  }
}
