/**
 * One history of a cluster, drawn from a seed: processes that run the real consumer engine, a simulated log and group, faults until a
 * moment, then quiet until everything is done. Same seed, same history; `trace` tells it.
 */
import { ParallelConsumer } from '../../src/consumer/parallel-consumer.js';
import type { LogRecord } from '../../src/log.js';
import { Chance } from './chance.js';
import { Referee } from './referee.js';
import { drawScenario, type Faults, type Scenario } from './scenario.js';
import { SimulatedCoordinator } from './simulated-coordinator.js';
import { SimulatedLimits } from './simulated-limits.js';
import { type Cluster, SimulatedMember } from './simulated-member.js';
import { SimulatedNetwork } from './simulated-network.js';
import { SimulatedProcess } from './simulated-process.js';
import { nameOf, SimulatedTopics } from './simulated-topics.js';
import { drawTraffic } from './simulated-traffic.js';
import { functionOf, HANGING, HANGING_MS, orderKeyOf, SimulatedWork, type Surroundings } from './simulated-work.js';
import { Tally, type Figures } from './tally.js';
import { VirtualTime } from './virtual-time.js';

const GLANCE_MS = 250;
/** A killer record is narrowed down over several lives, each a session long. */
const LIVES_OF_POISON_MS = 120_000;
const RESTART_MS = 300;
const PROCESSES_MAX = 5;
/** A hanging function keeps twice its limit, and a partition that was held goes on when less than a quarter of the buffer is in use. */
const WINDOWS_WITH_ROOM = 9;
/** What a record without a value takes at most. */
const RECORD_BYTES_MAX = 600;

export interface History {
  readonly seed: number;
  readonly scenario: Scenario;
  readonly violations: readonly string[];
  readonly trace: readonly string[];
  readonly figures: Figures;
}

const isHanging = (record: LogRecord): boolean => functionOf(record) === HANGING;

interface Member {
  readonly process: SimulatedProcess;
  readonly consumer: ParallelConsumer;
  isStopping: boolean;
}

export const simulate = async (seed: number, withTrace = false): Promise<History> => {
  const { stackTraceLimit } = Error;
  // Faults are errors, thousands of them, and nobody reads where they were made.
  Error.stackTraceLimit = 0;
  try {
    const world = new World(seed, withTrace);
    await world.run();
    return world.history();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
};

const NO_FAULTS = Object.fromEntries(Object.keys(drawScenario(new Chance(0)).faults).map((name) => [name, 0])) as unknown as Faults;

class World {
  readonly #chance: Chance;
  readonly #scenario: Scenario;
  readonly #time = new VirtualTime();
  readonly #topics: SimulatedTopics;
  readonly #coordinator: SimulatedCoordinator;
  readonly #referee: Referee;
  readonly #tally = new Tally();
  readonly #trace: string[] = [];
  readonly #members = new Set<Member>();
  readonly #limits: SimulatedLimits;
  readonly #topicNames: readonly string[];
  #faults: Faults;
  #processes = 0;
  #rebalancesSeen = 0;
  #rebalancedAtMs = 0;

  constructor(
    private readonly seed: number,
    private readonly withTrace: boolean,
  ) {
    this.#chance = new Chance(seed);
    const scenario = drawScenario(this.#chance);
    this.#scenario = scenario;
    this.#faults = scenario.faults;
    this.#topicNames = Array.from({ length: scenario.topics }, (_, i) => `topic${i}`);
    this.#topics = new SimulatedTopics(this.#topicNames, scenario.partitions);
    const partitions = new Map(this.#topicNames.map((topic) => [topic, scenario.partitions]));
    this.#coordinator = new SimulatedCoordinator(this.#time, partitions, scenario.drainTimeoutMs, this.#tell, (text) =>
      this.#referee.violated(text),
    );
    this.#limits = new SimulatedLimits(scenario.bulkheadLimit);
    const keys = { functionOf, orderKeyOf };
    this.#referee = new Referee(this.#time, this.#topics, scenario, keys, this.#limits, this.#tally, this.#tell);
  }

  async run(): Promise<void> {
    const { faultsUntilMs, processes } = this.#scenario;
    this.#tell(`seed ${this.seed} ${JSON.stringify(this.#scenario)}`);
    this.#scheduleRecords();
    for (let i = 0; i < processes; i++) this.#time.after(this.#chance.between(0, 500), () => this.#begin());
    this.#glanceAgain();
    await this.#time.run(faultsUntilMs, () => this.#isBroken());
    this.#heal();
    if (
      !(await this.#isDoneBy(
        'everything but the hanging calls',
        () => this.#quickWorkMs(),
        () => this.#quickOnes().length === 0,
      ))
    )
      return;
    if (
      !(await this.#isDoneBy(
        'everything',
        () => this.#allWorkMs(),
        () => this.#isDone(),
      ))
    )
      return;
    if (
      !(await this.#isDoneBy(
        'what processes hold',
        () => this.#settledMs(),
        () => this.#leftovers().length === 0,
      ))
    )
      return;
    await this.#leaveAll();
  }

  history(): History {
    const { seed } = this;
    const { figures } = this.#tally;
    figures.rebalances = this.#coordinator.rebalances;
    return { seed, scenario: this.#scenario, violations: this.#referee.violations, trace: this.#trace, figures };
  }

  readonly #tell = (text: string): void => {
    if (this.withTrace) this.#trace.push(`${String(this.#time.nowMs).padStart(7)} ${text}`);
  };

  #isBroken(): boolean {
    return this.#referee.violations.length > 0;
  }

  #scheduleRecords(): void {
    const traffic = drawTraffic(this.#chance, this.#scenario, this.#topicNames, this.#tally);
    this.#tally.count('records', traffic.length);
    for (const { atMs, to, gap, record } of traffic)
      this.#time.after(atMs, () => this.#referee.written(this.#topics.append(to, record, gap)));
  }

  #begin(): void {
    const process = new SimulatedProcess(`p${++this.#processes}`, this.#time, this.#chance.fork());
    const { maxInFlight, maxBufferedRecords, maxBufferedBytes, onRevoke, drainTimeoutMs, quota } = this.#scenario;
    const cluster: Cluster = {
      time: this.#time,
      topics: this.#topics,
      coordinator: this.#coordinator,
      referee: this.#referee,
      scenario: this.#scenario,
      faults: () => this.#faults,
      tally: this.#tally,
      tell: this.#tell,
      delivered: () => this.#checkBuffer(consumer),
    };
    const around: Surroundings = {
      time: this.#time,
      scenario: this.#scenario,
      referee: this.#referee,
      faults: () => this.#faults,
      tally: this.#tally,
      limits: this.#limits,
      kill: (victim) => this.#kill(victim),
    };
    const network = new SimulatedNetwork(process, this.#time, () => this.#faults, this.#tally);
    const consumer = new ParallelConsumer(
      {
        join: (options) => Promise.resolve(new SimulatedMember(cluster, process, options)),
        endOffsets: (topic) => network.ask((answer) => answer(this.#topics.endOffsets(topic))),
      },
      {
        group: 'simulated',
        topics: this.#topicNames,
        coPartitioned: true,
        maxInFlight,
        maxBufferedRecords,
        maxBufferedBytes,
        onRevoke,
        drainTimeoutMs,
        ...(quota !== null && { quota }),
      },
      new SimulatedWork(process, around),
      { surplus: (_, record) => this.#referee.surplusTaken(process, record) },
      process,
    );
    this.#tally.count('begins');
    this.#tell(`${process.name}: begins`);
    this.#members.add({ process, consumer, isStopping: false });
    void consumer.start();
  }

  #kill(process: SimulatedProcess): void {
    if (process.isDead) return;
    this.#tell(`${process.name}: dies`);
    this.#tally.count('deaths');
    process.die();
    this.#referee.died(process);
    for (const member of this.#members) if (member.process === process) this.#members.delete(member);
    this.#time.after(RESTART_MS, () => {
      if (this.#members.size < PROCESSES_MAX) this.#begin();
    });
  }

  async #stop(member: Member): Promise<void> {
    member.isStopping = true;
    this.#tally.count('stops');
    this.#tell(`${member.process.name}: is asked to stop`);
    await member.consumer.stop();
    this.#tell(`${member.process.name}: stopped`);
    if (!this.#members.delete(member)) return;
    // What did not let go in time ends with the process.
    member.process.die();
    this.#referee.died(member.process);
  }

  #glanceAgain(): void {
    this.#time.after(GLANCE_MS, () => {
      this.#cause();
      this.#watchGroup();
      this.#glanceAgain();
    });
  }

  #cause(): void {
    const faults = this.#faults;
    const chance = this.#chance;
    const members = [...this.#members].filter(({ isStopping }) => !isStopping);
    const anyone = members.length > 0 ? chance.oneOf(members) : null;
    if (chance.hits(faults.crash) && anyone !== null) this.#kill(anyone.process);
    else if (chance.hits(faults.leave) && anyone !== null && members.length > 1 && !anyone.process.isFrozen) void this.#stop(anyone);
    else if (chance.hits(faults.freeze) && anyone !== null) this.#freeze(anyone.process);
    if (chance.hits(faults.join) && this.#members.size < PROCESSES_MAX) this.#begin();
    if (chance.hits(faults.clockJump) && anyone !== null) this.#jump(anyone.process);
    if (chance.hits(faults.limitChange)) this.#changeLimit();
    if (chance.hits(faults.retention)) this.#cutSomewhere();
  }

  #freeze(process: SimulatedProcess): void {
    const forMs = this.#chance.between(100, 5_000);
    this.#tally.count('freezes');
    this.#tell(`${process.name}: is stopped for ${forMs} ms`);
    process.freeze();
    this.#referee.isUnsettled(process);
    this.#time.after(forMs, () => this.#thaw(process));
  }

  #thaw(process: SimulatedProcess): void {
    if (!process.isFrozen) return;
    this.#tell(`${process.name}: goes on`);
    this.#referee.isUnsettled(process);
    process.thaw();
  }

  #jump(process: SimulatedProcess): void {
    const byMs = this.#chance.between(100, 10_000);
    this.#tally.count('clockJumps');
    this.#tell(`${process.name}: its clock jumps ${byMs} ms ahead`);
    process.jump(byMs);
  }

  #changeLimit(): void {
    this.#tally.count('limitChanges');
    this.#limits.change(`f${this.#chance.between(1, this.#scenario.functions)}`, this.#chance.between(0, 4));
  }

  #cutSomewhere(): void {
    this.#tally.count('cuts');
    const partition = this.#chance.oneOf([...this.#topics.partitions.values()]);
    const startOffset = this.#chance.between(partition.startOffset, partition.nextOffset);
    this.#tell(`retention: ${nameOf(partition)} begins at ${startOffset}`);
    this.#topics.cut(partition, startOffset);
  }

  #watchGroup(): void {
    if (this.#coordinator.rebalances !== this.#rebalancesSeen || this.#coordinator.isGathering) {
      this.#rebalancesSeen = this.#coordinator.rebalances;
      this.#rebalancedAtMs = this.#time.nowMs;
    }
    this.#referee.glance(this.#time.nowMs - this.#rebalancedAtMs > 8_000);
  }

  #checkBuffer(consumer: ParallelConsumer): void {
    const { maxBufferedRecords, maxBufferedBytes, valueBytesMax, fetchMax, partitions, topics } = this.#scenario;
    const { records, bytes } = consumer.stats();
    const fetched = fetchMax * partitions * topics;
    // New partitions get their share, half of all together, even when those that stay fill the rest; a fetch comes in whole.
    if (records > maxBufferedRecords * 1.5 + fetched) this.#referee.violated(`${records} records are held`);
    if (bytes > maxBufferedBytes * 1.5 + fetched * (valueBytesMax + RECORD_BYTES_MAX)) this.#referee.violated(`${bytes} bytes are held`);
  }

  #heal(): void {
    this.#tell('the faults are over');
    this.#faults = NO_FAULTS;
    this.#limits.changeBack();
    for (const { process } of this.#members) this.#thaw(process);
    if ([...this.#members].every(({ isStopping }) => isStopping)) this.#begin();
  }

  #quickOnes(): LogRecord[] {
    return this.#referee.open().filter((record) => !isHanging(record));
  }

  /** Generous: every call after the other, and the time that sessions, joins and back-off take. */
  #quickWorkMs(): number {
    const { records, callMs, poison, hangingRecords, maxInFlight, bulkheadLimit, maxBufferedRecords, valueBytesMax, quota } =
      this.#scenario;
    const hasRoom =
      maxBufferedRecords >= records * 4 ||
      (quota !== null && quota.worksOffMs <= HANGING_MS && maxBufferedRecords >= bulkheadLimit * WINDOWS_WITH_ROOM);
    const isApart = maxInFlight > bulkheadLimit && hasRoom && valueBytesMax === 0 && !this.#referee.suspectsWait(isHanging);
    const hangingMs = hangingRecords > 0 && !isApart ? HANGING_MS * (5 + hangingRecords) : 0;
    // One at a time, 1.2 × as long on average, some of them three times.
    return 25_000 + records * callMs * 2 + hangingMs + (poison ? LIVES_OF_POISON_MS : 0);
  }

  /** What was done and not committed may have to be done again, one at a time. */
  #allWorkMs(): number {
    const { records, callMs, hangingRecords } = this.#scenario;
    return 20_000 + records * callMs * 2 + (hangingRecords > 0 ? HANGING_MS * (6 + hangingRecords) : 0);
  }

  /** Joins that are under way may take their time, so may calls for lost partitions and for records that retention took meanwhile. */
  #settledMs(): number {
    return this.#quickWorkMs() + this.#allWorkMs();
  }

  async #isDoneBy(what: string, withinMs: () => number, isDone: () => boolean): Promise<boolean> {
    const sinceMs = this.#time.nowMs;
    let done = false;
    // What took its time stays excused when it is over.
    let allowedMs = withinMs();
    while (!done && this.#time.nowMs < sinceMs + allowedMs && !this.#isBroken()) {
      await this.#time.run(this.#time.nowMs + GLANCE_MS, () => this.#isBroken());
      done = isDone();
      allowedMs = Math.max(allowedMs, withinMs());
    }
    if (done || this.#isBroken()) return !this.#isBroken();
    const open = this.#referee.open().map((record) => `${nameOf(record)}@${record.offset}`);
    const left = [open.join(' '), ...this.#referee.uncommitted(), ...this.#leftovers()].join(', ');
    this.#referee.violated(`${what}: not done within ${allowedMs} ms: ${left}`);
    return false;
  }

  #isDone(): boolean {
    return this.#referee.open().length === 0 && this.#referee.uncommitted().length === 0;
  }

  /** What an engine says to hold although everything is done: slots that were not given back, records that nobody works on. */
  #leftovers(): string[] {
    return [...this.#members].flatMap(({ process, consumer }) => {
      const { queued, inFlight, yielded, surplus, retrying, records, bytes, heldPartitions, commitLag, inFlightByBulkhead } =
        consumer.stats();
      const held = { queued, inFlight, yielded, surplus, retrying, records, bytes, heldPartitions, commitLag, ...inFlightByBulkhead };
      return Object.entries(held).flatMap(([name, count]) => (count === 0 ? [] : [`${process.name} has ${name} ${count}`]));
    });
  }

  async #leaveAll(): Promise<void> {
    const members = [...this.#members];
    let left = 0;
    for (const member of members) void this.#stop(member).then(() => left++);
    await this.#time.run(this.#time.nowMs + 30_000, () => left === members.length || this.#isBroken());
    if (left < members.length) this.#referee.violated('a consumer does not stop');
  }
}
