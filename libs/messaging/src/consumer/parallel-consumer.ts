import type { AssignedPartition, GroupMember, LogRecord, MessageLog, TopicPartition } from '../log.js';
import type { GroupPolicy, ParallelConsumerOptions } from '../parallel-consumer-options.js';
import { keyOf } from '../topic-partition.js';
import { Announcer } from './announcer.js';
import { Aside } from './aside.js';
import { type Clock, systemClock } from './clock.js';
import { CommitLoop } from './commit-loop.js';
import { COMMIT_INTERVAL_MS, Committer } from './committer.js';
import type { ConsumerObserver, ConsumerStats } from './consumer-observer.js';
import { Dispatcher } from './dispatcher.js';
import { FetchBuffer } from './fetch-buffer.js';
import { type Commit, OwnedPartition } from './owned-partition.js';
import { Preparation } from './preparation.js';
import { RecordKeys } from './record-keys.js';
import { RunningTime } from './running-time.js';
import { Scheduler } from './scheduler.js';
import { Surplus } from './surplus.js';
import { bytesOf, Task } from './task.js';
import { TaskRunner } from './task-runner.js';

/** Kept of the drain time for the last commit: a round trip or two, never most of a short drain. */
const commitReserveMs = (drainTimeoutMs: number): number => Math.min(500, drainTimeoutMs / 4);

/**
 * Runs the handlers of one consumer group side by side: order per key, a bulkhead per function, commits behind the lowest
 * incomplete record.
 *
 * A delivered record becomes a task: the tracker of its partition admits it (or knows it already), the scheduler starts it, its
 * handler runs until it resolves, the tracker counts it as completed, the committer commits the watermark. A handler may give its slot
 * back before that (docs/adr/0021-slots-are-for-calls.md).
 *
 * Ownership. Of partitions that are about to go (`revoking`) nothing new is started. `drain` waits for what runs; `complete-running` counts
 * it as completed and lets it finish on its own. Then they are committed, and once they are lost they are closed: calls that still run are
 * aborted, and what still ends is ignored, since it is another member's now. All others go on meanwhile. A task belongs to one
 * ownership of a partition, so nothing that is late can count for the next one.
 */
export class ParallelConsumer {
  readonly #partitions = new Map<string, OwnedPartition>();
  /** By partitions that were owned before. */
  readonly #written = new Map<string, readonly Commit[]>();
  readonly #committer = new Committer();
  readonly #keys: RecordKeys;
  readonly #runningTime: RunningTime;
  readonly #scheduler: Scheduler<Task>;
  readonly #runner: TaskRunner;
  readonly #dispatcher: Dispatcher;
  readonly #surplus: Surplus;
  readonly #surplusDispatcher: Dispatcher;
  readonly #aside: Aside;
  readonly #announcer: Announcer;
  readonly #commits: CommitLoop;
  readonly #buffer: FetchBuffer;
  readonly #preparation: Preparation;
  #member: GroupMember | null = null;
  #stopTicking: () => void = () => {};
  /** Calls that outlive the ownership of their partition, and how to abort them. */
  readonly #letGo = new Map<Task, () => void>();
  #stopping: Promise<void> | null = null;
  #duplicatesOfClosed = 0;
  #rebalances = 0;
  #heldMs = 0;
  #tickedAtMs = 0;
  #lastError: string | null = null;

  constructor(
    private readonly log: Pick<MessageLog, 'join' | 'endOffsets'>,
    private readonly options: ParallelConsumerOptions,
    private readonly policy: GroupPolicy,
    private readonly observer: ConsumerObserver = {},
    private readonly clock: Clock = systemClock,
  ) {
    const schedulerOf = (task: Task): Scheduler<Task> => this.#schedulerOf(task);
    this.#keys = new RecordKeys(policy);
    this.#runningTime = new RunningTime(clock);
    this.#aside = new Aside(schedulerOf);
    this.#scheduler = new Scheduler(
      options.maxInFlight,
      ({ record }) => this.#keys.limitOf(record),
      // What has just ended must not be suspected together with one that is all but known to kill, nor that one with what follows.
      () => this.#committer.isSettled && !this.#surplus.scheduler.isBusy,
      (task) => this.#aside.lineOf(task),
    );
    this.#surplus = new Surplus(
      this.#scheduler,
      options.quota,
      (record) => observer.surplus?.(options.group, record),
      (task) => this.#aside.lineOf(task),
    );
    this.#buffer = new FetchBuffer(options.maxBufferedRecords, options.maxBufferedBytes, {
      pause: (partitions) => this.#member?.pause(partitions),
      resume: (partitions) => this.#member?.resume(partitions),
    });
    const isInSession = (): boolean => this.#member?.mayStart() !== false;
    this.#runner = new TaskRunner(options.group, policy, observer, clock, this.#scheduler.others, isInSession, {
      ended: (task, resolved) => this.#ended(task, resolved),
      yieldSlot: (task) => this.#yieldSlot(task),
      rests: (task) => this.#rests(task),
      returns: (task) => this.#announcer.returns(task),
    });
    const mayStart = (): boolean => this.#stopping === null && isInSession();
    const maySurplusStart = (): boolean => mayStart() && this.#scheduler.others.isOpen;
    const ready = (scheduler: Scheduler<Task>): boolean => this.#aside.ready(scheduler);
    const starts = (task: Task, nowMs: number): void => this.#starts(task, nowMs);
    const begins = (task: Task, nowMs: number): void => this.#begins(task, nowMs);
    this.#dispatcher = new Dispatcher(this.#scheduler, clock, this.#runningTime, mayStart, ready, starts, begins);
    this.#surplusDispatcher = new Dispatcher(this.#surplus.scheduler, clock, this.#runningTime, maySurplusStart, ready, starts, begins);
    const isOwned = (partition: TopicPartition): boolean => this.#partitions.has(keyOf(partition));
    this.#preparation = new Preparation(log, options.group, policy, observer, clock, () => this.#stopping !== null, isOwned);
    this.#commits = new CommitLoop(
      this.#committer,
      clock,
      () => this.#member,
      (partitions) => this.#committed(partitions),
      (error) => this.observer.commitFailed?.(options.group, error),
    );
    this.#announcer = new Announcer(schedulerOf, this.#committer, this.#commits, this.#dispatcher);
  }

  get group(): string {
    return this.options.group;
  }

  /** Joins the group; resolves once it is a member. */
  async start(): Promise<void> {
    const { group, topics, coPartitioned = false, drainTimeoutMs, onOffsetOutOfRange = 'earliest' } = this.options;
    this.#member = await this.log.join({
      group,
      topics,
      coPartitioned,
      drainTimeoutMs,
      onOffsetOutOfRange,
      listener: {
        assigned: (partitions) => this.#assigned(partitions),
        records: (topic, partition, records) => this.#records(topic, partition, records),
        revoking: (partitions) => this.#revoking(partitions),
        lost: (partitions) => this.#lost(partitions),
        failed: (error) => this.#failed(error),
      },
    });
    if (this.#stopping !== null) {
      await this.#member.leave();
      return;
    }
    if (this.#buffer.held.size > 0) this.#member.pause([...this.#buffer.held]);
    this.#tickedAtMs = this.clock.nowMs();
    this.#stopTicking = this.clock.every(COMMIT_INTERVAL_MS, () => this.#tick());
  }

  /** Starts nothing more, drains as at a revoke, commits and leaves the group. What runs after the drain time is aborted. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  health(): { readonly ok: boolean; readonly detail: string } {
    const { failure } = this.#preparation;
    if (failure !== null) return { ok: false, detail: `new partitions wait: ${failure}` };
    if (this.#member?.healthy() === true) return { ok: true, detail: `${this.#partitions.size} partitions` };
    return { ok: false, detail: this.#lastError ?? 'not joined' };
  }

  stats(): ConsumerStats {
    const partitions = [...this.#partitions.values()];
    const sum = (read: (partition: OwnedPartition) => number): number => partitions.reduce((total, each) => total + read(each), 0);
    const nowMs = this.clock.nowMs();
    return {
      group: this.options.group,
      assignedPartitions: partitions.length,
      queued: this.#scheduler.queued + this.#surplus.scheduler.queued + sum(({ guard }) => guard.waiting),
      inFlight: this.#scheduler.inFlight,
      yielded: this.#scheduler.yielded,
      surplus: this.#surplus.scheduler.queued + this.#surplus.scheduler.inFlight,
      inFlightByBulkhead: this.#scheduler.inFlightByBulkhead(),
      retrying: this.#runner.waiting.size,
      records: sum(({ tracker }) => tracker.records),
      bytes: sum(({ tracker }) => tracker.bytes),
      oldestAgeMs: partitions.reduce((oldest, { tracker }) => Math.max(oldest, nowMs - (tracker.lowest?.receivedAtMs ?? nowMs)), 0),
      heldPartitions: this.#buffer.held.size,
      heldMs: this.#heldMs,
      commitLag: sum(({ tracker, committedOffset }) => Math.max(0, tracker.next - Math.max(committedOffset, 0))),
      duplicatesDropped: this.#duplicatesOfClosed + sum(({ tracker }) => tracker.duplicates),
      rebalances: this.#rebalances,
    };
  }

  async #assigned(assigned: readonly AssignedPartition[]): Promise<void> {
    this.#lastError = null;
    this.#rebalances++;
    const owned = assigned.map((partition) => this.#own(partition));
    this.#buffer.setPartitions([...this.#partitions.values()]);
    // An outage that held commits back is over.
    this.#committer.urge();
    this.#commits.commit();
    this.#dispatcher.wake();
    if (assigned.length > 0) await this.#preparation.of(assigned, owned);
  }

  #own(assigned: AssignedPartition): OwnedPartition {
    const key = keyOf(assigned);
    this.#close(key);
    const owned = new OwnedPartition(assigned, this.options.maxBufferedRecords, this.#written.get(key));
    this.#partitions.set(key, owned);
    this.#committer.changed(owned);
    return owned;
  }

  #records(topic: string, partition: number, records: readonly LogRecord[]): void {
    const owned = this.#partitions.get(keyOf({ topic, partition }));
    if (owned === undefined || owned.isLeaving) return;
    const receivedAtMs = this.clock.nowMs();
    for (const record of records) {
      if (!owned.tracker.admits(record.offset)) continue;
      const bulkhead = this.#keys.bulkheadOf(record);
      const keys = [this.#keys.orderKeyOf(record), bulkhead?.key ?? null, bulkhead?.tenant ?? null] as const;
      this.policy.delivered?.(record);
      const task = new Task(record, owned, ...keys, bytesOf(record), receivedAtMs);
      owned.tracker.add(task);
      this.#buffer.grew(owned, task.bytes);
      if (!owned.guard.holds(task)) this.#scheduler.enqueue(task);
    }
    this.#committer.changed(owned);
    this.#buffer.holdIfExhausted(owned);
    if (owned.guard.awaitsCommit) this.#commits.commit();
    this.#dispatcher.wake();
  }

  async #revoking(partitions: readonly TopicPartition[]): Promise<void> {
    const { drainTimeoutMs, onRevoke } = this.options;
    const leaving = new Set(partitions.map((partition) => this.#partitions.get(keyOf(partition))).filter((owned) => owned !== undefined));
    if (onRevoke === 'complete-running') this.#letGoOfRunning(leaving);
    for (const partition of leaving) this.#startNoMore(partition);
    this.#dispatcher.wake();
    if (onRevoke === 'drain')
      await this.#runner.idle(drainTimeoutMs - commitReserveMs(drainTimeoutMs), ({ partition }) => leaving.has(partition));
    await this.#commits.handOver([...leaving]);
  }

  #lost(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#close(keyOf(partition));
    this.#buffer.setPartitions([...this.#partitions.values()]);
    this.#dispatcher.wake();
    this.policy.lost?.(partitions);
  }

  #failed(error: Error): void {
    this.#lastError = error.message;
    this.observer.rejoining?.(this.options.group, error);
  }

  async #stop(): Promise<void> {
    try {
      await this.#member?.leave();
    } finally {
      const { drainTimeoutMs, onRevoke } = this.options;
      if (onRevoke === 'complete-running') await this.#runner.idle(drainTimeoutMs);
      this.#stopTicking();
      for (const key of [...this.#partitions.keys()]) this.#close(key);
      for (const [task, abort] of this.#letGo) {
        abort();
        this.#announcer.goOn(task);
      }
    }
  }

  /** Counts running calls as completed, so that nobody repeats them, and lets them finish. */
  #letGoOfRunning(leaving: ReadonlySet<OwnedPartition>): void {
    for (const task of this.#runner.running) {
      if (task.completed || !leaving.has(task.partition)) continue;
      this.#letGo.set(task, task.partition.running.abort);
      this.#complete(task);
      // Nobody is told of it any more; one that has to be alone is when its turn comes.
      if (!task.resting) this.#announcer.goOn(task);
    }
    for (const partition of leaving) partition.renewSignal();
  }

  #startNoMore(partition: OwnedPartition): void {
    partition.gate.close();
    for (let task = partition.tracker.lowest; task !== null; task = task.higher) {
      const scheduler = this.#schedulerOf(task);
      if (task.line !== null) scheduler.remove(task);
      else if (this.#runner.waiting.has(task)) {
        scheduler.share(task);
        this.#announcer.goOn(task);
      } else if (task.running && !this.#runner.running.has(task)) scheduler.release(task);
      else continue;
      this.#announcer.withdraw(task);
    }
  }

  #close(key: string): void {
    const partition = this.#partitions.get(key);
    if (partition === undefined) return;
    this.#partitions.delete(key);
    this.#written.set(key, partition.written());
    partition.lost = true;
    this.#startNoMore(partition);
    this.#committer.drop(partition);
    this.#duplicatesOfClosed += partition.tracker.duplicates;
    partition.running.abort();
    partition.gate.open();
  }

  #ended(task: Task, resolved: boolean): void {
    this.#schedulerOf(task).release(task, this.#runningTime.nowMs());
    if (resolved) this.#complete(task);
    this.#letGo.delete(task);
    (task.isSurplus ? this.#surplusDispatcher : this.#dispatcher).start();
  }

  #yieldSlot(task: Task): void {
    // A slot of the surplus is there for what still has to be published.
    if (task.isSurplus) return;
    this.#scheduler.yieldSlot(task, this.#runningTime.nowMs());
    this.#dispatcher.wake();
  }

  #starts(task: Task, nowMs: number): void {
    if (task.suspected) this.#announcer.turnCame(task);
    else this.#begins(task, nowMs);
  }

  #begins(task: Task, nowMs: number): void {
    this.#schedulerOf(task).called(task, nowMs);
    void this.#runner.run(task);
  }

  #rests(task: Task): void {
    const scheduler = this.#schedulerOf(task);
    this.#announcer.withdraw(task);
    scheduler.share(task);
    scheduler.rests(task, true);
    if (!scheduler.others.isOpen) this.#commits.commit();
    this.#dispatcher.wake();
  }

  #complete(task: Task): void {
    const { partition } = task;
    if (partition.lost || !partition.tracker.complete(task)) return;
    this.#buffer.shrank(partition, task.bytes);
    partition.guard.completed(task);
    this.#committer.completed(partition);
    if (this.#committer.isDue() || !this.#scheduler.others.isOpen) this.#commits.commit();
  }

  #tick(): void {
    const nowMs = this.clock.nowMs();
    if (this.#buffer.held.size > 0) this.#heldMs += nowMs - this.#tickedAtMs;
    this.#tickedAtMs = nowMs;
    const staying = [...this.#partitions.values()].filter(({ isLeaving }) => !isLeaving);
    for (const partition of staying) this.#buffer.holdIfExhausted(partition);
    this.#commits.commit();
    this.#buffer.releaseRoomy();
    this.#scheduler.recheck();
    this.#surplus.take(staying, this.#runningTime.nowMs());
    this.#surplusDispatcher.start();
    this.#dispatcher.start();
  }

  #schedulerOf({ isSurplus }: Task): Scheduler<Task> {
    return isSurplus ? this.#surplus.scheduler : this.#scheduler;
  }

  /** What was announced in a commit may start. */
  #committed(partitions: readonly OwnedPartition[]): void {
    for (const partition of partitions) {
      if (partition.lost) continue;
      for (const task of partition.guard.confirmed()) if (!partition.isLeaving) this.#scheduler.enqueue(task);
    }
    if (!this.#scheduler.others.isOpen) this.#commits.commit();
    this.#dispatcher.wake();
  }
}
