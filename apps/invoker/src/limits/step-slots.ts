interface Waiter {
  readonly settle: (got: boolean) => void;
  readonly timer: NodeJS.Timeout;
}

interface Slots {
  running: number;
  readonly waiting: Set<Waiter>;
}

/**
 * Slots of each function for steps. A step waits here, and not in the scheduler's queue, because a wait here ends in time:
 * a step that gets no slot by its last moment fails with `rate_limited` while somebody still listens.
 */
export class StepSlots {
  private readonly functions = new Map<string, Slots>();

  /** True once a slot is held (give it back with `release`), false when the last moment came first. */
  take(key: string, cap: () => number, lastMomentMs: number): Promise<boolean> | true {
    let slots = this.functions.get(key);
    if (slots === undefined) {
      slots = { running: 0, waiting: new Set() };
      this.functions.set(key, slots);
    }
    if (slots.running < cap() && slots.waiting.size === 0) {
      slots.running++;
      return true;
    }
    const { waiting } = slots;
    return new Promise((resolve) => {
      const waiter: Waiter = {
        settle: (got) => {
          clearTimeout(waiter.timer);
          waiting.delete(waiter);
          resolve(got);
        },
        timer: setTimeout(
          () => {
            waiter.settle(false);
            this.forgetUnused(key);
          },
          Math.max(0, lastMomentMs - Date.now()),
        ),
      };
      waiting.add(waiter);
    });
  }

  release(key: string, cap: () => number): void {
    const slots = this.functions.get(key);
    if (slots === undefined) return;
    slots.running--;
    for (const waiter of slots.waiting) {
      if (slots.running >= cap()) break;
      slots.running++;
      waiter.settle(true);
    }
    this.forgetUnused(key);
  }

  private forgetUnused(key: string): void {
    const slots = this.functions.get(key);
    if (slots !== undefined && slots.running === 0 && slots.waiting.size === 0) this.functions.delete(key);
  }
}
