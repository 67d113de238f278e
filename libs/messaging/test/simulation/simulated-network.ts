import { MessagingError } from '../../src/errors.js';
import type { Faults } from './scenario.js';
import type { SimulatedProcess } from './simulated-process.js';
import type { Tally } from './tally.js';
import type { VirtualTime } from './virtual-time.js';

const REQUEST_TIMEOUT_MS = 700;

/** Requests of a process to the broker: they take time, and they or their answers get lost while there are faults. */
export class SimulatedNetwork {
  constructor(
    private readonly process: SimulatedProcess,
    private readonly time: VirtualTime,
    private readonly faults: () => Faults,
    private readonly tally: Tally,
  ) {}

  /** `serve` runs at the broker, with how to answer. Rejects when no answer came in time; then nobody knows whether it was served. */
  ask<T>(serve: (answer: (value: T) => void) => void, timeoutMs = REQUEST_TIMEOUT_MS): Promise<T> {
    const { chance } = this.process;
    const { requestLost, replyLost, slowReply } = this.faults();
    return new Promise((resolve, reject) => {
      const cancel = this.process.after(timeoutMs, () => reject(new MessagingError('timed_out', 'no answer', true)));
      if (chance.hits(requestLost)) return this.tally.count('requestsLost');
      this.time.after(chance.between(1, 4), () => {
        if (this.process.isDead) return;
        serve((value) => {
          if (chance.hits(replyLost)) return this.tally.count('repliesLost');
          const isSlow = chance.hits(slowReply);
          if (isSlow) this.tally.count('repliesSlow');
          const backMs = chance.between(1, 4) + (isSlow ? chance.between(20, 400) : 0);
          this.process.after(backMs, () => {
            cancel();
            resolve(value);
          });
        });
      });
    });
  }
}
