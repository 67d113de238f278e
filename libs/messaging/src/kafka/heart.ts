import { MessagingError } from '../errors.js';
import { pause, within } from './waiting.js';
import { isForgotten, isOvertaken, isRebalance, type GroupCoordinator } from './group-coordinator.js';

export interface HeartRhythm {
  readonly intervalMs: number;
  readonly sessionTimeoutMs: number;
}

/**
 * Beats from one join to the next. It outlives a coordinator that is away for a moment: a broker that restarts knows its members
 * again, so nothing is rebalanced. Only when nothing was answered for a whole session may somebody else own the partitions.
 * A group that is in another generation has not forgotten this member: a join tells what it owns there, if that comes within the session.
 */
export class Heart {
  /** Resolves when the group gathers anew, or has gathered already. */
  readonly rebalance: Promise<void>;
  /** Rejects when the membership is over. */
  readonly end: Promise<never>;
  #gather!: () => void;
  #fail!: (error: unknown) => void;
  readonly #stopping = new AbortController();
  /** When the last question was asked whose answer prolonged the session: it lasts at least from then, the answer may have waited to be read. */
  #heardOfMs: number;
  #hasEnded = false;

  constructor(
    private readonly coordinator: GroupCoordinator,
    private readonly rhythm: HeartRhythm,
    joinedAtMs: number,
    private readonly missed: (error: unknown) => Promise<void>,
  ) {
    this.#heardOfMs = joinedAtMs;
    this.rebalance = new Promise((resolve) => (this.#gather = resolve));
    this.end = new Promise((_, reject) => (this.#fail = reject));
    this.end.catch(() => {
      this.#hasEnded = true;
    });
    void this.#beat();
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** The session that was heard of last is not over, and nobody ended the membership. */
  get isInSession(): boolean {
    return !this.#hasEnded && performance.now() - this.#heardOfMs < this.rhythm.sessionTimeoutMs;
  }

  /** Ends the membership from this side. */
  fail(error: unknown): void {
    this.#fail(error);
  }

  async #beat(): Promise<void> {
    const { signal } = this.#stopping;
    for (;;) {
      await pause(this.rhythm.intervalMs, signal);
      if (signal.aborted) return;
      const askedMs = performance.now();
      try {
        await this.#askWithin(this.#heardOfMs + this.rhythm.sessionTimeoutMs - askedMs);
        this.#heardOfMs = askedMs;
      } catch (error) {
        if (signal.aborted) return;
        if (isForgotten(error)) return this.#fail(error);
        if (isRebalance(error)) this.#heardOfMs = askedMs;
        else if (!this.isInSession) return this.#fail(error);
        if (isRebalance(error) || isOvertaken(error)) this.#gather();
        else await this.missed(error);
      }
    }
  }

  async #askWithin(timeoutMs: number): Promise<void> {
    const answered = await within(
      this.coordinator.heartbeat().then(() => true),
      // What the group says tells more than that the session is over, as when it has gone on or this process was paused.
      Math.max(this.rhythm.intervalMs, timeoutMs),
    );
    if (!answered) throw new MessagingError('session_expired', `no heartbeat was answered for ${this.rhythm.sessionTimeoutMs} ms`, true);
  }
}
