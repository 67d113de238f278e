/**
 * Random histories of one partition set: records, ends of calls, failures, rejoins, losses, crashes, coordinator outages.
 * Real: the whole consumer engine. Scripted: the log behind the port. A failing history is printed and can be replayed by its seed.
 */
import { describe, expect, it } from '@jest/globals';
import { eventually } from '@cf/testing';
import fc from 'fast-check';
import { ParallelConsumer } from '../src/consumer/parallel-consumer.js';
import { MessagingError } from '../src/errors.js';
import type { LogRecord } from '../src/log.js';
import { ScriptedLog, TOPIC } from './scripted-log.js';

const PARTITIONS = [0, 1, 2];

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('write' as const), partition: fc.nat({ max: 2 }), key: fc.constantFrom('a', 'b', 'c', 'd') }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('end' as const), pick: fc.nat(), fails: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('turn' as const), ms: fc.constantFrom(0, 0, 0, 15) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rejoin' as const), lost: fc.subarray(PARTITIONS) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('expire' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('outage' as const), on: fc.boolean() }) },
);

interface Call {
  readonly record: LogRecord;
  readonly signal: AbortSignal;
  readonly process: number;
  readonly settle: (error?: Error) => void;
}

class World {
  readonly log = new ScriptedLog();
  readonly calls: Call[] = [];
  readonly started = new Set<string>();
  readonly done = new Set<string>();
  readonly written: string[] = [];
  readonly consumers: ParallelConsumer[] = [];
  private readonly violations: string[] = [];
  private process = 0;

  constructor(private readonly onRevoke: 'drain' | 'complete-running') {}

  async begin(): Promise<void> {
    const process = ++this.process;
    const consumer = new ParallelConsumer(
      this.log.asMessageLog(),
      {
        group: 'g',
        topics: [TOPIC],
        maxInFlight: 5,
        maxBufferedRecords: 12,
        maxBufferedBytes: 1e6,
        onRevoke: this.onRevoke,
        drainTimeoutMs: 20,
      },
      {
        handle: (record, { signal }) => this.call(record, signal, process),
        unprocessable: async (record, error) => this.bury(record, error),
        orderKey: ({ key }) => String(key),
      },
    );
    this.consumers.push(consumer);
    await consumer.start();
    await this.log.assign(...PARTITIONS);
  }

  end(pick: number, fails: boolean): void {
    const [call] = this.calls.splice(pick % Math.max(1, this.calls.length), 1);
    call?.settle(fails ? Object.assign(new Error('again'), { retryable: true }) : undefined);
  }

  /** A crash takes the process with all its calls. */
  crash(): void {
    this.log.crash();
    this.calls.splice(0);
  }

  /** Nothing below a committed offset may be left undone, except what a graceful revoke let go while it runs. */
  check(): void {
    expect(this.violations).toEqual([]);
    for (const { partition, offset } of this.log.commits) {
      for (let at = 0; at < offset; at++) {
        const name = `${partition}:${at}`;
        if (!this.done.has(name) && !(this.onRevoke === 'complete-running' && this.started.has(name)))
          throw new Error(`${name} is committed and not done`);
      }
    }
  }

  private bury({ partition, offset }: LogRecord, error: unknown): void {
    if (!(error instanceof MessagingError) || error.code !== 'crash_suspect') this.violations.push(`${partition}:${offset} was given up`);
    this.done.add(`${partition}:${offset}`);
  }

  private call(record: LogRecord, signal: AbortSignal, process: number): Promise<void> {
    const name = `${record.partition}:${record.offset}`;
    this.started.add(name);
    const owned = this.calls.filter((call) => call.process === process && !call.signal.aborted);
    if (owned.some((call) => String(call.record.key) === String(record.key))) this.violations.push(`${String(record.key)} runs twice`);
    if (owned.length >= 5) this.violations.push('too many run at once');
    return new Promise((resolve, reject) => {
      const settle = (error?: Error): void => {
        if (error !== undefined) return reject(error);
        this.done.add(name);
        resolve();
      };
      this.calls.push({ record, signal, process, settle });
    });
  }
}

const simulate = async (
  onRevoke: 'drain' | 'complete-running',
  steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[],
): Promise<void> => {
  const world = new World(onRevoke);
  await world.begin();
  for (const each of steps) {
    if (each.kind === 'write') world.written.push(`${each.partition}:${world.log.write(each.partition, { key: each.key })}`);
    else if (each.kind === 'end') world.end(each.pick, each.fails);
    else if (each.kind === 'turn') await new Promise((resolve) => setTimeout(resolve, each.ms));
    else if (each.kind === 'rejoin') {
      await world.log.revoke();
      world.log.lose(...each.lost);
      await world.log.assign(...each.lost);
    } else if (each.kind === 'expire') {
      world.log.lose(...PARTITIONS);
      await world.log.assign(...PARTITIONS);
    } else if (each.kind === 'crash' && onRevoke === 'drain') {
      world.crash();
      await world.begin();
    } else if (each.kind === 'outage') world.log.commitError = each.on ? new Error('coordinator is away') : null;
    world.check();
  }
  world.log.commitError = null;
  await eventually(
    () => {
      world.end(0, false);
      world.check();
      expect(world.written.filter((name) => !world.done.has(name))).toEqual([]);
    },
    20_000,
    1,
  );
  await eventually(() => {
    while (world.calls.length > 0) world.end(0, false);
    for (const partition of PARTITIONS) {
      const count = world.written.filter((name) => name.startsWith(`${partition}:`)).length;
      expect(world.log.committed(partition) ?? 0).toBe(count);
    }
  });
  world.check();
  await Promise.all(world.consumers.map((consumer) => consumer.stop()));
};

describe('consumer engine, in any history', () => {
  it('handles every record and never commits past one that is not done', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), (steps) => simulate('drain', steps)),
      { numRuns: 25 },
    );
  });

  it('commits past a call only where it lets it finish', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), (steps) => simulate('complete-running', steps)),
      { numRuns: 15 },
    );
  });
});
