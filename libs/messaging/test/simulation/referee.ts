/**
 * Watches a simulated history and knows the promises (guarantees.md §1, 3, 4). It sees what processes ask of the log, what the log
 * takes, when handlers run and when what follows from a record is acknowledged; it never looks into the engine.
 *
 *   - a commit covers only records whose follow-up is acknowledged, or that a graceful revoke let go while they ran
 *   - within one ownership commits never go back, and none is made for a partition that is not owned
 *   - an ownership runs a record once (again only after a failure), in the order of its key, one of a key at a time, within limits;
 *     one that gave its slot back counts for neither, and there are no more of those than slots
 *   - what an earlier owner got committed is not run again; a drain that ended in time leaves nothing to repeat
 *   - a process that was silent for a session starts nothing before it was heard again
 *   - a record is given up only with cause
 */
import type { AssignedPartition, LogRecord, OffsetCommit, TopicPartition } from '../../src/log.js';
import { MessagingError } from '../../src/errors.js';
import { CommittedProgress, covers, type Progress, progressOf } from './committed-progress.js';
import type { Scenario } from './scenario.js';
import { SESSION_TIMEOUT_MS } from './simulated-coordinator.js';
import type { SimulatedLimits } from './simulated-limits.js';
import type { SimulatedProcess } from './simulated-process.js';
import { nameOf, recordName, type SimulatedTopics } from './simulated-topics.js';
import type { Tally } from './tally.js';
import type { VirtualTime } from './virtual-time.js';

/** A commit is due every 100 ms; this long its reply may take, twice, plus what the next one takes. */
const COMMITTED_WITHIN_MS = 1_500;
/** So long after a refused commit the engine may be backing off. */
const BACK_OFF_MS_MAX = 2_000;
/** What a record must have survived before it counts as the killer. */
const DEATHS_BEFORE_GIVING_UP = 3;
interface Ownership {
  readonly partition: TopicPartition;
  readonly known: Progress;
  readonly tries: Map<number, Run>;
  readonly lastStarted: Map<string, number>;
  /** Taken from what its function holds too much: no order and no limits hold for it, also when it is given up. */
  readonly surplus: Set<number>;
  requested: number;
  /** What the broker took of its own commits last. */
  accepted: Progress | null;
  isPrepared: boolean;
  /** Since when it is about to go. */
  revokingSinceMs: number;
}

/** All tries of a record within one ownership. */
export interface Run {
  readonly record: LogRecord;
  readonly orderKey: string | null;
  readonly ownership: Ownership;
  /** Let go without a call: no order and no limits hold for it. */
  readonly isSurplus: boolean;
  isActive: boolean;
  /** Its call is over and others may take its place. */
  isYielded: boolean;
  /** It ran when a revoke began that counts what runs as done. */
  isLetGo: boolean;
  failures: number;
  resolvedAtMs: number | null;
}

interface ProcessFacts {
  readonly process: SimulatedProcess;
  readonly owned: Map<string, Ownership>;
  /** Records that hold a slot: running, or waiting for another try. */
  readonly tasks: Set<Run>;
  /** How often the limit had changed that the engine asked for last. */
  readonly limitChanges: Map<LogRecord, number>;
  isRejoining: boolean;
  commitsAtMs: number;
  /** When the last one was asked for that the broker took. */
  takenCommitAtMs: number;
  commitFailedAtMs: number;
  unsettledSinceMs: number;
  inSessionFromMs: number;
}

export interface Keys {
  functionOf(record: LogRecord): string;
  orderKeyOf(record: LogRecord): string | null;
}

export class Referee {
  readonly violations: string[] = [];
  /** What nobody has done yet. */
  readonly #open = new Map<string, LogRecord>();
  readonly #acknowledged = new Set<string>();
  /** Nobody answers for these: gone from the log before they were done, or let go by a process that died. */
  readonly #excused = new Set<string>();
  readonly #processes = new Map<SimulatedProcess, ProcessFacts>();
  readonly #letGo = new Map<string, SimulatedProcess>();
  readonly #committed: CommittedProgress;
  readonly #everRun = new Set<string>();

  constructor(
    private readonly time: VirtualTime,
    private readonly topics: SimulatedTopics,
    private readonly scenario: Scenario,
    private readonly keys: Keys,
    private readonly limits: SimulatedLimits,
    private readonly tally: Tally,
    private readonly tell: (text: string) => void,
  ) {
    this.#committed = new CommittedProgress(topics);
  }

  written(record: LogRecord): void {
    this.#open.set(recordName(record), record);
  }

  /** What the broker tells, maybe garbled; a member that stands still may take it when there is something newer. */
  readBack({ committedOffset, metadata, ...partition }: AssignedPartition): void {
    const told = progressOf(partition, committedOffset ?? 0, metadata);
    for (const offset of this.#committed.wronglyCompleted(partition, told))
      this.#violated(`${nameOf(partition)}@${offset} is taken as completed and never was`);
  }

  assigned(process: SimulatedProcess, assigned: readonly AssignedPartition[], partitions: readonly TopicPartition[]): void {
    const facts = this.#factsOf(process);
    assigned.forEach(({ committedOffset, metadata }, i) => {
      const partition = partitions[i]!;
      const { completed } = progressOf(partition, committedOffset ?? 0, metadata);
      if (completed.length > 0) this.tally.count('metadataRestored');
      this.#committed.ownedAnew(partition);
      facts.owned.set(nameOf(partition), {
        partition,
        known: { offset: committedOffset ?? 0, completed, suspects: [] },
        tries: new Map(),
        lastStarted: new Map(),
        surplus: new Set(),
        requested: -1,
        accepted: null,
        isPrepared: false,
        revokingSinceMs: Infinity,
      });
    });
  }

  prepared(process: SimulatedProcess, partition: TopicPartition): void {
    const owned = this.#factsOf(process).owned.get(nameOf(partition));
    if (owned !== undefined) owned.isPrepared = true;
  }

  revoking(process: SimulatedProcess, partitions: readonly TopicPartition[]): void {
    const facts = this.#factsOf(process);
    const leaving = this.#ownedOf(facts, partitions);
    for (const ownership of leaving) ownership.revokingSinceMs = this.time.nowMs;
    if (this.scenario.onRevoke === 'drain') return;
    for (const run of facts.tasks) {
      if (!leaving.has(run.ownership)) continue;
      if (!run.isLetGo) this.tally.count('letGo');
      run.isLetGo = true;
    }
  }

  /** The engine says that it has let go: in time nothing may run on, and without trouble nothing completed is left for others to repeat. */
  drained(process: SimulatedProcess, partitions: readonly TopicPartition[]): void {
    const facts = this.#factsOf(process);
    if (process.isDead) return;
    const { drainTimeoutMs, onRevoke } = this.scenario;
    const drained = this.#ownedOf(facts, partitions);
    const revokingSinceMs = Math.min(...[...drained].map((ownership) => ownership.revokingSinceMs));
    const hadTime = this.time.nowMs - revokingSinceMs < drainTimeoutMs / 2;
    for (const { isActive, record, ownership } of facts.tasks)
      if (onRevoke === 'drain' && hadTime && isActive && drained.has(ownership))
        this.#violated(`${recordName(record)} runs on after the drain`);
    // Stopped meanwhile: others may own what it did.
    if (facts.unsettledSinceMs > revokingSinceMs || facts.commitFailedAtMs >= revokingSinceMs) return;
    // What it asked for without an answer yet may not be taken: its time was over.
    const saidSinceMs = Math.max(revokingSinceMs, facts.takenCommitAtMs);
    for (const { tries, accepted } of drained) {
      for (const { record, resolvedAtMs } of tries.values())
        if (resolvedAtMs !== null && resolvedAtMs < saidSinceMs && (accepted === null || !covers(accepted, record.offset)))
          this.#violated(`${recordName(record)} was completed and is not handed over as such`);
    }
  }

  rejoined(process: SimulatedProcess): void {
    const facts = this.#factsOf(process);
    const kept = new Set(facts.owned.values());
    if (facts.isRejoining && [...facts.tasks].some(({ ownership, isActive }) => isActive && kept.has(ownership)))
      this.tally.count('keptWhileRunning');
    facts.isRejoining = true;
  }

  /** The process knows that its session lasts at least from then. */
  inSession(process: SimulatedProcess, fromMs: number): void {
    this.#factsOf(process).inSessionFromMs = fromMs;
  }

  fellOut(process: SimulatedProcess): void {
    const facts = this.#factsOf(process);
    facts.unsettledSinceMs = this.time.nowMs;
    this.tally.count('fallenOut');
    if ([...facts.tasks].some(({ isActive }) => isActive)) this.tally.count('lostWhileRunning');
  }

  lost(process: SimulatedProcess, partitions: readonly TopicPartition[]): void {
    const facts = this.#factsOf(process);
    for (const partition of partitions) {
      const ownership = facts.owned.get(nameOf(partition));
      facts.owned.delete(nameOf(partition));
      for (const run of ownership?.tries.values() ?? []) this.#forgetIfOver(facts, run);
    }
  }

  /** Records that retention took before anybody saw them. */
  skipped(partition: TopicPartition, fromOffset: number, toOffset: number): void {
    this.tally.count('outOfRange');
    for (const record of this.topics.read(partition, fromOffset, Infinity)) if (record.offset < toOffset) this.#excuse(recordName(record));
  }

  commits(process: SimulatedProcess, offsets: readonly OffsetCommit[]): void {
    const facts = this.#factsOf(process);
    facts.commitsAtMs = this.time.nowMs;
    for (const { offset, metadata = '', ...partition } of offsets) {
      const name = nameOf(partition);
      const ownership = facts.owned.get(name);
      if (ownership === undefined) {
        this.#violated(`${process.name} commits ${name}@${offset} and does not own it`);
        continue;
      }
      if (offset < ownership.requested) this.#violated(`${process.name} commits ${name}@${offset} after @${ownership.requested}`);
      ownership.requested = offset;
      const progress = progressOf(partition, offset, metadata);
      for (const record of this.topics.partition(partition).records)
        if (covers(progress, record.offset)) this.#mayBeCovered(facts, ownership, record);
    }
  }

  committed(process: SimulatedProcess, offsets: readonly OffsetCommit[]): void {
    this.tally.count('commits');
    this.#factsOf(process).takenCommitAtMs = this.#factsOf(process).commitsAtMs;
    this.tell(`${process.name}: committed ${offsets.map((each) => `${nameOf(each)}@${each.offset}`).join(' ')}`);
    for (const { offset, metadata = '', ...partition } of offsets) {
      const progress = progressOf(partition, offset, metadata);
      const ownership = this.#factsOf(process).owned.get(nameOf(partition));
      if (ownership?.accepted && offset < ownership.accepted.offset)
        this.#violated(`${process.name} gets ${nameOf(partition)}@${offset} committed after @${ownership.accepted.offset}`);
      if (ownership !== undefined) ownership.accepted = progress;
      this.#committed.taken(partition, progress);
    }
  }

  commitFailed(process: SimulatedProcess): void {
    this.tally.count('commitsFailed');
    this.#factsOf(process).commitFailedAtMs = this.time.nowMs;
  }

  limitAsked(process: SimulatedProcess, record: LogRecord): void {
    this.#factsOf(process).limitChanges.set(record, this.limits.changes(this.keys.functionOf(record)));
  }

  started(process: SimulatedProcess, record: LogRecord): Run {
    const facts = this.#factsOf(process);
    const orderKey = this.keys.orderKeyOf(record);
    const earlier = [...facts.tasks].find((run) => run.record === record);
    if (earlier !== undefined) return this.#again(process, earlier);
    this.tally.count('runs');
    const ownership = facts.owned.get(nameOf(record));
    const name = recordName(record);
    this.tell(`${process.name}: starts ${name} ${this.keys.functionOf(record)} ${orderKey ?? ''}`);
    if (this.#everRun.has(name)) this.tally.count('repeats');
    this.#everRun.add(name);
    if (ownership === undefined) {
      this.#violated(`${process.name} starts ${name} and does not own it`);
      throw new Error('not owned');
    }
    if (!ownership.isPrepared) this.#violated(`${name} starts before its group is prepared`);
    if (this.time.nowMs >= ownership.revokingSinceMs) this.#violated(`${name} starts while its partition may go`);
    if (this.time.nowMs - facts.inSessionFromMs > SESSION_TIMEOUT_MS) this.#violated(`${name} starts after a silent session`);
    if (ownership.tries.has(record.offset)) this.#violated(`${name} runs twice in one ownership`);
    if (covers(ownership.known, record.offset)) this.#violated(`${name} is run again although it was committed`);
    const isSurplus = ownership.surplus.has(record.offset);
    if (!isSurplus) {
      if (orderKey !== null) this.#keepsOrder(facts, ownership, orderKey, record);
      this.#keepsLimits(facts, record);
    }
    const run: Run = {
      record,
      orderKey: isSurplus ? null : orderKey,
      ownership,
      isSurplus,
      isActive: true,
      isYielded: false,
      isLetGo: false,
      failures: 0,
      resolvedAtMs: null,
    };
    ownership.tries.set(record.offset, run);
    facts.tasks.add(run);
    return run;
  }

  yielded(run: Run): void {
    this.tell(`  ${recordName(run.record)} gives its slot back`);
    this.tally.count('yielded');
    run.isYielded = true;
  }

  /** Only a function that has calls running can hold more than its quota. */
  surplusTaken(process: SimulatedProcess, record: LogRecord): void {
    this.tally.count('surplus');
    const own = this.keys.functionOf(record);
    this.#factsOf(process).owned.get(nameOf(record))?.surplus.add(record.offset);
    const runs = [...this.#factsOf(process).tasks].some((run) => holdsSlot(run) && this.keys.functionOf(run.record) === own);
    if (!runs) this.#violated(`${recordName(record)} is surplus of a function that runs nothing`);
  }

  failed(process: SimulatedProcess, run: Run, why: string): void {
    this.tell(`  ${recordName(run.record)} failed: ${why}`);
    run.isActive = false;
    run.failures++;
    this.#forgetIfOver(this.#factsOf(process), run);
  }

  resolved(process: SimulatedProcess, run: Run): void {
    this.tell(`  ${recordName(run.record)} is done`);
    run.isActive = false;
    run.resolvedAtMs = this.time.nowMs;
    this.#factsOf(process).tasks.delete(run);
    if (!this.#acknowledged.has(recordName(run.record))) this.#violated(`${recordName(run.record)} resolved unacknowledged`);
  }

  /** The log took what follows from the record. */
  published(process: SimulatedProcess, record: LogRecord): void {
    const name = recordName(record);
    if (this.#acknowledged.has(name)) this.tally.count('publishedTwice');
    if (!this.#factsOf(process).owned.has(nameOf(record)) && !this.#letGo.has(name)) this.tally.count('publishedByZombies');
    this.#acknowledged.add(name);
    this.#open.delete(name);
  }

  /** The handler let go: its signal was aborted. */
  aborted(process: SimulatedProcess, run: Run): void {
    this.tell(`  ${recordName(run.record)} is aborted`);
    this.tally.count('callsAborted');
    run.isActive = false;
    this.#factsOf(process).tasks.delete(run);
    if (this.#letGo.has(recordName(run.record))) this.#excuse(recordName(run.record));
  }

  gaveUp(process: SimulatedProcess, record: LogRecord, error: unknown): void {
    const name = recordName(record);
    this.tell(`${process.name}: gives up ${name}: ${String(error)}`);
    const isSuspect = error instanceof MessagingError && error.code === 'crash_suspect';
    this.tally.count(isSuspect ? 'killersCaught' : 'gaveUp');
    if (!isSuspect) return;
    if (this.#committed.deathsOf(record) < DEATHS_BEFORE_GIVING_UP) this.#violated(`${name} was given up without cause`);
    if (this.scenario.isPoisonAlone && record.headers['kills'] === undefined) this.#violated(`${name} was taken for the killer`);
  }

  died(process: SimulatedProcess): void {
    const facts = this.#factsOf(process);
    for (const [name, by] of this.#letGo) if (by === process) this.#excuse(name);
    for (const run of facts.tasks) run.isActive = false;
    this.#processes.delete(process);
  }

  /** What was completed is committed soon, while nothing goes wrong. */
  glance(isSettled: boolean): void {
    for (const { process, owned, commitFailedAtMs, unsettledSinceMs } of this.#processes.values()) {
      const calmSinceMs = Math.max(commitFailedAtMs + BACK_OFF_MS_MAX, unsettledSinceMs + BACK_OFF_MS_MAX);
      if (!isSettled || process.isFrozen || this.time.nowMs < calmSinceMs) continue;
      for (const { partition, tries } of owned.values()) {
        for (const { record, resolvedAtMs } of tries.values()) {
          const isLate = resolvedAtMs !== null && this.time.nowMs - Math.max(resolvedAtMs, calmSinceMs) > COMMITTED_WITHIN_MS;
          if (isLate && !this.#committed.covers(partition, record.offset))
            this.#violated(`${recordName(record)} was completed ${this.time.nowMs - resolvedAtMs} ms ago and is not committed`);
        }
      }
    }
  }

  isUnsettled(process: SimulatedProcess): void {
    this.#factsOf(process).unsettledSinceMs = this.time.nowMs;
  }

  /** What nobody has done yet. */
  open(): LogRecord[] {
    return [...this.#open.values()].filter((record) => record.offset >= this.topics.partition(record).startOffset);
  }

  /** Slow calls run, and suspects may keep others waiting for them. */
  suspectsWait(isSlow: (record: LogRecord) => boolean): boolean {
    const runs = [...this.#processes.values()].flatMap(({ tasks }) => [...tasks]);
    return runs.some(({ isActive, record }) => isActive && isSlow(record)) && this.#committed.suspectsWait(isSlow);
  }

  uncommitted(): string[] {
    return this.#committed.behind();
  }

  violated(text: string): void {
    this.#violated(text);
  }

  #again(process: SimulatedProcess, run: Run): Run {
    const name = recordName(run.record);
    this.tell(`${process.name}: tries ${name} again`);
    if (run.isActive) this.#violated(`${name} is tried again while it runs`);
    run.isActive = true;
    return run;
  }

  #mayBeCovered(facts: ProcessFacts, ownership: Ownership, record: LogRecord): void {
    const name = recordName(record);
    if (this.#acknowledged.has(name) || this.#excused.has(name) || this.#letGo.has(name)) return;
    if (record.offset < this.topics.partition(record).startOffset) return;
    const run = ownership.tries.get(record.offset);
    if (run?.isLetGo === true) this.#letGo.set(name, facts.process);
    else this.#violated(`${facts.process.name} commits past ${name}, which is not done`);
  }

  #keepsOrder(facts: ProcessFacts, ownership: Ownership, orderKey: string, record: LogRecord): void {
    const name = recordName(record);
    for (const other of this.#processes.values()) {
      for (const run of other.tasks) {
        if (run.isYielded || run.orderKey !== orderKey || nameOf(run.record) !== nameOf(record)) continue;
        if (other === facts) this.#violated(`${name} starts beside ${recordName(run.record)} of the same key`);
        else if (run.isActive) this.tally.count('overlapsOfMembers');
      }
    }
    const last = ownership.lastStarted.get(orderKey) ?? -1;
    if (record.offset < last) this.#violated(`${name} starts after @${last} of the same key`);
    ownership.lastStarted.set(orderKey, record.offset);
  }

  #keepsLimits(facts: ProcessFacts, record: LogRecord): void {
    const { maxInFlight } = this.scenario;
    const tasks = [...facts.tasks];
    if (tasks.filter(holdsSlot).length >= maxInFlight) this.#violated(`more than ${maxInFlight} at once`);
    if (tasks.filter(({ isSurplus }) => !isSurplus).length >= 2 * maxInFlight)
      this.#violated(`more than ${maxInFlight} without a slot pile up`);
    const own = this.keys.functionOf(record);
    const beside = tasks.filter((run) => holdsSlot(run) && this.keys.functionOf(run.record) === own);
    const limit = this.limits.highestSince(own, facts.limitChanges.get(record) ?? 0);
    if (beside.length >= limit) this.#violated(`more than ${limit} of ${own} at once`);
  }

  #forgetIfOver(facts: ProcessFacts, run: Run): void {
    const isOwned = facts.owned.get(nameOf(run.record)) === run.ownership;
    if (!run.isActive && !isOwned && !run.isLetGo) facts.tasks.delete(run);
  }

  #ownedOf(facts: ProcessFacts, partitions: readonly TopicPartition[]): ReadonlySet<Ownership> {
    return new Set(partitions.map((partition) => facts.owned.get(nameOf(partition))).filter((ownership) => ownership !== undefined));
  }

  #excuse(name: string): void {
    this.#excused.add(name);
    this.#open.delete(name);
  }

  #factsOf(process: SimulatedProcess): ProcessFacts {
    let facts = this.#processes.get(process);
    if (facts === undefined) {
      const nothing = { owned: new Map<string, Ownership>(), tasks: new Set<Run>(), limitChanges: new Map<LogRecord, number>() };
      facts = {
        process,
        ...nothing,
        isRejoining: false,
        commitsAtMs: -Infinity,
        takenCommitAtMs: -Infinity,
        commitFailedAtMs: -Infinity,
        unsettledSinceMs: this.time.nowMs,
        inSessionFromMs: this.time.nowMs,
      };
      if (!process.isDead) this.#processes.set(process, facts);
    }
    return facts;
  }

  #violated(text: string): void {
    this.tell(`VIOLATION ${text}`);
    this.violations.push(`at ${this.time.nowMs} ms: ${text}`);
  }
}

const holdsSlot = ({ isSurplus, isYielded }: Run): boolean => !isSurplus && !isYielded;
