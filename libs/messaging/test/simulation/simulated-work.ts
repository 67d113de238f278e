import type { LogRecord, AssignedPartition } from '../../src/log.js';
import type { Bulkhead, GroupPolicy, RecordContext } from '../../src/parallel-consumer-options.js';
import type { Referee, Run } from './referee.js';
import type { Faults, Scenario } from './scenario.js';
import type { SimulatedLimits } from './simulated-limits.js';
import { SimulatedNetwork } from './simulated-network.js';
import type { SimulatedProcess } from './simulated-process.js';
import type { Tally } from './tally.js';
import type { VirtualTime } from './virtual-time.js';

export const HANGING = 'hanging';
export const HANGING_MS = 30_000;

/** What calls need to know beside the record: limits change while they run. */
export interface Surroundings {
  readonly time: VirtualTime;
  readonly scenario: Scenario;
  readonly referee: Referee;
  readonly faults: () => Faults;
  readonly tally: Tally;
  readonly limits: SimulatedLimits;
  readonly kill: (process: SimulatedProcess) => void;
}

export const functionOf = ({ headers }: Pick<LogRecord, 'headers'>): string => headers['function'] ?? '';
/** Two organizations, the second with one function. */
const tenantOf = (record: LogRecord): string => (functionOf(record) === 'f1' ? 'o2' : 'o1');
export const orderKeyOf = ({ headers }: Pick<LogRecord, 'headers'>): string | null =>
  headers['chat'] === undefined ? null : `${headers['function'] ?? ''}/${headers['chat']}`;

const failure = (text: string, retryable: boolean): Error => Object.assign(new Error(text), { retryable });

/** The handlers of one process: call an endpoint, publish what came of it, and only then be done. */
export class SimulatedWork implements GroupPolicy {
  readonly #network: SimulatedNetwork;
  /** Their call is over and they gave their slot back: another try only publishes. */
  readonly #called = new WeakSet<LogRecord>();

  constructor(
    private readonly process: SimulatedProcess,
    private readonly around: Surroundings,
  ) {
    this.#network = new SimulatedNetwork(process, around.time, around.faults, around.tally);
  }

  orderKey(record: LogRecord): string | null {
    return orderKeyOf(record);
  }

  bulkhead(record: LogRecord): Bulkhead {
    this.around.referee.limitAsked(this.process, record);
    const key = functionOf(record);
    return { key, limit: this.around.limits.now(key), tenant: tenantOf(record) };
  }

  async assigned(partitions: readonly AssignedPartition[]): Promise<void> {
    await this.process.wait(this.process.chance.between(1, 20));
    if (this.process.chance.hits(this.around.faults().preparationFails)) {
      this.around.tally.count('preparationsFailed');
      throw failure('cannot prepare', true);
    }
    for (const each of partitions) this.around.referee.prepared(this.process, each);
  }

  async handle(record: LogRecord, { signal, isSurplus, yieldSlot }: RecordContext): Promise<void> {
    if (this.process.isDead) return new Promise(() => {});
    const { referee, scenario } = this.around;
    const run = referee.started(this.process, record);
    if (!isSurplus && record.headers['kills'] !== undefined) {
      this.around.kill(this.process);
      return new Promise(() => {});
    }
    try {
      if (!isSurplus && !this.#called.has(record)) await this.#call(record, signal);
      if (!isSurplus && scenario.yieldsSlots) {
        this.#called.add(record);
        referee.yielded(run);
        yieldSlot();
      }
      await this.#publish(record, signal);
    } catch (error) {
      this.#ended(run, signal, error);
      throw error;
    }
    referee.resolved(this.process, run);
  }

  async unprocessable(record: LogRecord, error: unknown): Promise<void> {
    if (this.process.isDead) return new Promise(() => {});
    const { referee } = this.around;
    const run = referee.started(this.process, record);
    referee.gaveUp(this.process, record, error);
    const never = new AbortController().signal;
    try {
      await this.#publish(record, never);
    } catch (failed) {
      referee.failed(this.process, run, String(failed));
      throw failed;
    }
    referee.resolved(this.process, run);
  }

  #ended(run: Run, signal: AbortSignal, error: unknown): void {
    if (signal.aborted) this.around.referee.aborted(this.process, run);
    else this.around.referee.failed(this.process, run, String(error));
  }

  async #call(record: LogRecord, signal: AbortSignal): Promise<void> {
    const { chance } = this.process;
    const { callMs } = this.around.scenario;
    const tookMs = functionOf(record) === HANGING ? HANGING_MS : chance.hits(0.05) ? callMs * 5 : chance.between(0, callMs * 2);
    await this.#unlessAborted(tookMs, signal);
    if (record.headers['refused'] !== undefined) throw failure('refused', false);
    if (!chance.hits(this.around.faults().callFails)) return;
    this.around.tally.count('callsFailed');
    throw failure('failed', true);
  }

  /** Some calls end at once when they are aborted, others take no notice. */
  #unlessAborted(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.process.after(delayMs, resolve);
      if (this.process.chance.hits(0.2)) return;
      signal.addEventListener('abort', () => {
        cancel();
        reject(failure('aborted', true));
      });
    });
  }

  async #publish(record: LogRecord, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw failure('aborted', true);
    const { referee, faults, tally } = this.around;
    await this.process.wait(this.process.chance.between(1, 30));
    if (this.process.chance.hits(faults().publishFails)) {
      tally.count('publishesFailed');
      throw failure('not published', true);
    }
    await this.#network.ask<null>((answer) => {
      referee.published(this.process, record);
      answer(null);
    });
  }
}
