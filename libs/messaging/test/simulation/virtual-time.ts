interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
  cancelled: boolean;
}

const isBefore = (one: Event, other: Event): boolean => one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);

/** Time that passes by going from one event to the next, each with all its promises settled. */
export class VirtualTime {
  nowMs = 0;
  events = 0;
  #heap: Event[] = [];

  after(delayMs: number, callback: () => void): () => void {
    const event: Event = { atMs: this.nowMs + Math.max(0, delayMs), order: this.events++, callback, cancelled: false };
    this.#push(event);
    return () => (event.cancelled = true);
  }

  /** Until then, or until `isOver` says so after an event. */
  async run(untilMs: number, isOver: () => boolean = () => false): Promise<void> {
    await promisesSettled();
    while (!isOver()) {
      const event = this.#nextUntil(untilMs);
      if (event === null) {
        this.nowMs = untilMs;
        return;
      }
      this.nowMs = event.atMs;
      event.callback();
      await promisesSettled();
    }
  }

  #nextUntil(untilMs: number): Event | null {
    for (let event = this.#heap[0]; event !== undefined && event.atMs <= untilMs; event = this.#heap[0]) {
      this.#pop();
      if (!event.cancelled) return event;
    }
    return null;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(event, heap[above]!)) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = at * 2 + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++;
      if (!isBefore(heap[below]!, last)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = last;
  }
}

/** Node runs a tick when the queue of settled promises is empty. */
const promisesSettled = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));
