import type { GroupPolicy } from '../parallel-consumer-options.js';
import { MessagingError } from '../errors.js';
import { type Clock, pause } from './clock.js';
import type { ConsumerObserver } from './consumer-observer.js';
import { DEATHS_MAX } from './crash-guard.js';
import type { Gate } from './gate.js';
import { isRetryable, retryDelayMs, TRIES_MAX } from './retry-delay.js';
import type { Task } from './task.js';

/** How soon a try is made after a silent session has turned out to go on. */
const LOOK_AGAIN_MS = 50;

export interface TaskListener {
  /** `resolved` is false for a task that was let go because its signal was aborted. */
  ended(task: Task, resolved: boolean): void;
  yieldSlot(task: Task): void;
  /** It failed and waits for another try: it did not kill the process. */
  rests(task: Task): void;
  /** Its pause is over; resolves when it may try again. */
  returns(task: Task): Promise<void>;
}

/**
 * Runs the handler of a task until it resolves. One that rejects is tried again in place: with `retryable: true` for as long as its
 * partition is owned, else `TRIES_MAX` times, then `unprocessable` is called until that resolves. Nothing is ever skipped.
 */
export class TaskRunner {
  readonly running = new Set<Task>();
  /** Those among the running that wait for another try. */
  readonly waiting = new Set<Task>();
  readonly #looks = new Set<() => void>();

  constructor(
    private readonly group: string,
    private readonly policy: GroupPolicy,
    private readonly observer: ConsumerObserver,
    private readonly clock: Clock,
    /** Closed while a record runs, or is about to run, alone. */
    private readonly others: Gate,
    /** False when others may own the partitions though nobody told it yet. */
    private readonly isInSession: () => boolean,
    private readonly listener: TaskListener,
  ) {}

  async run(task: Task): Promise<void> {
    const { record, partition } = task;
    const { signal } = partition.running;
    const context = { signal, isSurplus: task.isSurplus, yieldSlot: () => this.listener.yieldSlot(task) };
    let failures = 0;
    let lastingFailures = 0;
    let lasting: { readonly error: unknown } | null = task.deaths < DEATHS_MAX ? null : { error: killer(task) };
    let resolved = false;
    this.running.add(task);
    while (!signal.aborted) {
      try {
        await (lasting === null ? this.policy.handle(record, context) : this.policy.unprocessable(record, lasting.error));
        resolved = true;
        break;
      } catch (error) {
        if (signal.aborted) break;
        failures++;
        if (lasting === null && !isRetryable(error) && ++lastingFailures >= TRIES_MAX) {
          lasting = { error };
          failures = 0;
          this.observer.unprocessable?.(this.group, record, error);
          continue;
        }
        const delayMs = retryDelayMs(failures, this.clock.random());
        this.observer.retrying?.(this.group, record, error, delayMs);
        await this.#wait(task, delayMs, signal);
      }
    }
    this.running.delete(task);
    this.listener.ended(task, resolved);
    this.#look();
  }

  /** Resolves when no handler of these runs (those that wait for another try do not count), at the latest after the timeout. */
  async idle(timeoutMs: number, isOne: (task: Task) => boolean = () => true): Promise<void> {
    const isIdle = new AbortController();
    const look = (): void => {
      for (const task of this.running) if (!this.waiting.has(task) && isOne(task)) return;
      isIdle.abort();
    };
    this.#looks.add(look);
    look();
    await pause(this.clock, timeoutMs, isIdle.signal);
    this.#looks.delete(look);
  }

  #look(): void {
    for (const look of this.#looks) look();
  }

  async #wait(task: Task, delayMs: number, signal: AbortSignal): Promise<void> {
    const { gate } = task.partition;
    this.waiting.add(task);
    this.listener.rests(task);
    this.#look();
    await pause(this.clock, delayMs, signal);
    while (!this.others.isOpen) await this.others.passed();
    await this.listener.returns(task);
    // A call that was let go outlives its partition.
    while ((!gate.isOpen || !this.isInSession()) && !task.completed && !signal.aborted)
      await (gate.isOpen ? pause(this.clock, LOOK_AGAIN_MS, signal) : gate.passed());
    this.waiting.delete(task);
  }
}

const killer = ({ deaths }: Task): MessagingError =>
  new MessagingError('crash_suspect', `processes died while it ran, ${deaths + 1} times, the last time while it ran alone`, false);
