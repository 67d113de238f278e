/** Real: the whole consumer engine. Scripted: the log and the handlers; the time is the test's. What records must not do that kill the process. */
import { describe, expect, it } from '@jest/globals';
import { decodeOffsetMetadata, encodeOffsetMetadata, type OffsetProgress, type Suspect } from '../src/consumer/offset-metadata.js';
import type { LogRecord, OffsetCommit } from '../src/log.js';
import type { ParallelConsumerOptions, RecordContext } from '../src/parallel-consumer-options.js';
import { broken, byFunction, byKey, consume, time } from './scripted-consumer.js';
import { ScriptedHandler } from './scripted-handler.js';
import { ScriptedLog, TOPIC } from './scripted-log.js';

const { eventually, passing, elapse } = time;

/** So many of the first records of the partition are suspects; a process died now. */
const suspect = (log: ScriptedLog, partition: number, count: number, deaths: number): void => {
  const suspects = Array.from({ length: count }, (_, offset) => ({ offset, deaths: deaths - 1, announced: true }));
  const { metadata } = encodeOffsetMetadata({ topic: TOPIC, partition }, 0, { isOpen: true, suspects, completed: [] });
  log.commits.push({ topic: TOPIC, partition, offset: 0, metadata });
};

/** A record that has to run alone. */
const writeSuspect = (log: ScriptedLog, partition: number): void => {
  log.write(partition);
  suspect(log, partition, 1, 2);
};

const progressIn = (commits: readonly OffsetCommit[], partition: number): OffsetProgress => {
  const { offset, metadata = '' } = commits.findLast((commit) => commit.partition === partition)!;
  return decodeOffsetMetadata({ topic: TOPIC, partition }, offset, metadata);
};

const suspectsOf = (log: ScriptedLog, partition: number): readonly Suspect[] => progressIn(log.commits, partition).suspects;

/** A call of partition 1 runs, and nothing is known yet of the others. */
const withACall = async (log: ScriptedLog, options: Partial<ParallelConsumerOptions> = {}): Promise<ScriptedHandler> => {
  const handler = new ScriptedHandler();
  await consume(log, { handle: handler.handle }, options);
  await passing(log.assign(1));
  log.write(1);
  await eventually(() => expect(handler.running).toEqual(['1:0']));
  return handler;
};

describe('records that may have killed a process', () => {
  it('announces a suspect when its turn has come, and starts it once that is acknowledged', async () => {
    const log = new ScriptedLog();
    for (const key of ['a', 'a', 'b']) log.write(0, { key });
    suspect(log, 0, 3, 1);
    const handler = new ScriptedHandler();
    log.takesCommit = () => time.wait(20);
    await consume(log, { handle: handler.handle, orderKey: byKey });
    await passing(log.assign(0));
    const announced = (commits: readonly OffsetCommit[]): number[] =>
      progressIn(commits, 0).suspects.flatMap(({ offset, announced }) => (announced ? [offset] : []));
    await eventually(() => expect(announced(log.requested)).toEqual([0, 2]));
    expect(handler.started).toEqual([]);
    await eventually(() => expect(handler.running).toEqual(['0:0', '0:2']));
    expect(announced(log.commits)).toEqual([0, 2]);
    handler.end('0:0');
    await eventually(() => expect(handler.started).toEqual(['0:0', '0:2', '0:1']));
    expect(announced(log.commits)).toEqual([1, 2]);
  });

  it('goes on with what lies behind suspects of a slow function that have no place', async () => {
    const log = new ScriptedLog();
    for (let i = 0; i < 20; i++) log.write(0, { key: `slow ${i % 10}`, headers: { 'function-id': 'slow' } });
    for (let i = 0; i < 20; i++) log.write(0, { headers: { 'function-id': 'quick' } });
    suspect(log, 0, 20, 1);
    const handler = new ScriptedHandler();
    const isSlow = ({ headers }: LogRecord): boolean => headers['function-id'] === 'slow';
    const handle = async (record: LogRecord, context: RecordContext): Promise<void> => {
      if (isSlow(record)) await handler.handle(record, context);
    };
    const consumer = await consume(log, { handle, orderKey: byKey, bulkhead: byFunction(100) }, { maxInFlight: 100 });
    await passing(log.assign(0));
    await eventually(() => expect(consumer.stats()).toMatchObject({ records: 20, inFlight: 8 }));
    expect(handler.running).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((offset) => `0:${offset}`));
    handler.end('0:3');
    await eventually(() => expect(handler.started).toHaveLength(9));
    expect(handler.running.at(-1)).toBe('0:8');
    await eventually(() => {
      handler.endAll();
      expect(log.committed(0)).toBe(40);
    });
    expect(handler.runningMax).toBe(8);
    const chats = handler.started.map((name) => Number(name.slice(2)) % 10);
    for (const [i, name] of handler.started.entries()) if (Number(name.slice(2)) >= 10) expect(chats.slice(0, i)).toContain(chats[i]);
  });

  it.each(['drain', 'complete-running'] as const)(
    'leaves what was announced and has not begun to the next owner (%s)',
    async (onRevoke) => {
      const log = new ScriptedLog();
      for (const key of ['a', 'a', 'b']) log.write(0, { key });
      suspect(log, 0, 3, 1);
      const handler = new ScriptedHandler();
      log.takesCommit = () => time.wait(20);
      const consumer = await consume(log, { handle: handler.handle, orderKey: byKey }, { onRevoke });
      await passing(log.assign(0, 1));
      await eventually(() => expect(progressIn(log.requested, 0).suspects.filter(({ announced }) => announced)).toHaveLength(2));
      await passing(log.revoke(0));
      expect([log.committed(0), suspectsOf(log, 0).length, suspectsOf(log, 0).some(({ announced }) => announced)]).toEqual([0, 3, false]);
      await elapse(500);
      log.lose(0);
      log.write(1);
      await eventually(() => expect(handler.started).toEqual(['1:0']));
      expect(consumer.stats()).toMatchObject({ queued: 0, inFlight: 1, records: 1 });
    },
  );

  it('begins what was announced only when the partition is its own for certain', async () => {
    const log = new ScriptedLog();
    log.write(0);
    suspect(log, 0, 1, 1);
    const handler = new ScriptedHandler();
    log.takesCommit = () => time.wait(20);
    await consume(log, { handle: handler.handle });
    await passing(log.assign(0));
    await eventually(() => expect(progressIn(log.requested, 0).suspects.some(({ announced }) => announced)).toBe(true));
    log.isInSession = false;
    await elapse(5_000);
    expect([suspectsOf(log, 0).length, handler.started]).toEqual([1, []]);
    log.isInSession = true;
    await eventually(() => expect(handler.started).toEqual(['0:0']));
  });

  it('does not take a function for slow whose calls wait for the log', async () => {
    const log = new ScriptedLog();
    for (let i = 0; i < 50; i++) log.write(0, { headers: { 'function-id': 'fn' } });
    suspect(log, 0, 50, 1);
    const surplus: number[] = [];
    const handler = new ScriptedHandler();
    const handle = async (record: LogRecord, context: RecordContext): Promise<void> => {
      if (context.isSurplus) surplus.push(record.offset);
      else await handler.handle(record, context);
    };
    const quota = { callMs: 1_000, worksOffMs: 5_000 };
    const consumer = await consume(log, { handle, bulkhead: byFunction(4) }, { quota });
    await passing(log.assign(0));
    await eventually(() => expect(handler.running).toHaveLength(4));
    log.commitError = new Error('coordinator is away');
    handler.endAll();
    await eventually(() => expect(consumer.stats()).toMatchObject({ records: 46, inFlight: 4 }));
    await elapse(30_000);
    expect(surplus).toEqual([]);
    log.commitError = null;
    await eventually(() => expect(handler.running).toHaveLength(4));
    await elapse(6_000);
    expect(surplus.length).toBeGreaterThan(0);
  });

  it('holds up nobody with a suspect that was to run alone when its partition went', async () => {
    const log = new ScriptedLog();
    writeSuspect(log, 0);
    const handler = await withACall(log, { drainTimeoutMs: 60_000 });
    await passing(log.assign(0));
    await elapse(500);
    log.write(1);
    await elapse(500);
    expect(handler.started).toEqual(['1:0']);
    await passing(log.revoke(0));
    await eventually(() => expect(handler.started).toEqual(['1:0', '1:1']));
  });

  it('lets the next suspect run alone when the partition of the one before went', async () => {
    const log = new ScriptedLog();
    for (const partition of [0, 2]) writeSuspect(log, partition);
    const handler = await withACall(log, { drainTimeoutMs: 60_000 });
    await passing(log.assign(0));
    await elapse(500);
    await passing(log.assign(2));
    await passing(log.revoke(0));
    handler.end('1:0');
    await eventually(() => expect(handler.started).toEqual(['1:0', '2:0']));
  });

  it('announces no suspect while another one still is, whose partition goes before it ran', async () => {
    const log = new ScriptedLog();
    for (const partition of [0, 2]) writeSuspect(log, partition);
    log.takesCommit = () => time.wait(20);
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle });
    await passing(log.assign(0, 2));
    const announcedIn = (commits: readonly OffsetCommit[]): number[] =>
      [0, 2].filter((partition) => progressIn(commits, partition).suspects.some(({ announced }) => announced));
    await eventually(() => expect(announcedIn(log.requested)).toEqual([0]));
    const taken = log.commits.length;
    await passing(log.revoke(0));
    await eventually(() => expect(handler.started).toEqual(['2:0']));
    const announced = log.commits.slice(taken).map((_, i) => announcedIn(log.commits.slice(0, taken + i + 1)));
    expect([announced[0], announced.at(-1)]).toEqual([[0], [2]]);
    expect(announced).not.toContainEqual([0, 2]);
  });

  it('lets suspects of several partitions run alone one after the other, each announced when it does', async () => {
    const log = new ScriptedLog();
    for (const partition of [0, 2]) writeSuspect(log, partition);
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle });
    await passing(log.assign(0, 2));
    await eventually(() => expect(handler.running).toEqual(['0:0']));
    await elapse(500);
    expect([handler.started, suspectsOf(log, 2)]).toEqual([['0:0'], [{ offset: 0, deaths: 2, announced: false }]]);
    handler.end('0:0');
    await eventually(() => expect(handler.running).toEqual(['2:0']));
    expect([suspectsOf(log, 0), suspectsOf(log, 2)]).toEqual([[], [{ offset: 0, deaths: 2, announced: true }]]);
  });

  it('counts no other death for a suspect that is to run alone, neither before it starts nor after it has ended', async () => {
    const log = new ScriptedLog();
    writeSuspect(log, 0);
    const handler = await withACall(log);
    await passing(log.assign(0));
    await elapse(500);
    expect(suspectsOf(log, 0)).toEqual([{ offset: 0, deaths: 2, announced: false }]);
    handler.end('1:0');
    await eventually(() => expect(handler.running).toEqual(['0:0']));
    expect(suspectsOf(log, 0)).toEqual([{ offset: 0, deaths: 2, announced: true }]);
    log.write(1);
    log.commitError = new Error('coordinator is away');
    handler.end('0:0');
    await elapse(1_000);
    expect(handler.running).toEqual([]);
    log.commitError = null;
    await eventually(() => expect(handler.running).toEqual(['1:1']));
    expect(suspectsOf(log, 0)).toEqual([]);
  });

  it('tries nothing again while a suspect runs alone, nor before it is committed that it has ended', async () => {
    const log = new ScriptedLog();
    writeSuspect(log, 0);
    const handler = await withACall(log);
    handler.end('1:0', broken(true));
    await passing(log.assign(0));
    await eventually(() => expect(handler.running).toEqual(['0:0']));
    await elapse(30_000);
    expect(handler.started).toEqual(['1:0', '0:0']);
    log.commitError = new Error('coordinator is away');
    handler.end('0:0');
    await elapse(1_000);
    expect(handler.running).toEqual([]);
    log.commitError = null;
    await eventually(() => expect(handler.running).toEqual(['1:0']));
  });

  it('commits the end of one that ran alone as soon as the commit that was under way meanwhile is answered', async () => {
    const log = new ScriptedLog();
    writeSuspect(log, 0);
    const handler = new ScriptedHandler();
    log.takesCommit = () => time.wait(20);
    await consume(log, { handle: handler.handle });
    await passing(log.assign(0, 1));
    await eventually(() => expect(handler.running).toEqual(['0:0']));
    const requested = log.requested.length;
    log.write(1);
    await eventually(() => expect(log.requested).toHaveLength(requested + 1));
    handler.end('0:0');
    await elapse(50);
    expect([log.committed(0), handler.running]).toEqual([1, ['1:0']]);
  });

  /** The suspect fails, and its pause is over while another record runs; one more waits. */
  const failsAndRests = async (log: ScriptedLog, handler: ScriptedHandler): Promise<void> => {
    log.write(1);
    handler.end('0:0', broken(true));
    await eventually(() => expect(handler.running).toEqual(['1:0']));
    await elapse(5_000);
    log.write(1);
    await elapse(500);
  };

  it('tries a suspect that failed alone again alone', async () => {
    const log = new ScriptedLog();
    writeSuspect(log, 0);
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle });
    await passing(log.assign(0, 1));
    await eventually(() => expect(handler.running).toEqual(['0:0']));
    await failsAndRests(log, handler);
    expect([handler.running, suspectsOf(log, 0)]).toEqual([['1:0'], [{ offset: 0, deaths: 2, announced: false }]]);
    handler.end('1:0');
    await eventually(() => expect(handler.running).toEqual(['0:0']));
    expect(suspectsOf(log, 0)).toEqual([{ offset: 0, deaths: 2, announced: true }]);
    handler.end('0:0');
    await eventually(() => expect(handler.running).toEqual(['1:1']));
  });

  it('tries a suspect again alone that failed after its partition had gone without it', async () => {
    const log = new ScriptedLog();
    writeSuspect(log, 0);
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle }, { onRevoke: 'complete-running' });
    await passing(log.assign(0, 1));
    await eventually(() => expect(handler.running).toEqual(['0:0']));
    await passing(log.revoke(0));
    log.lose(0);
    await failsAndRests(log, handler);
    expect(handler.running).toEqual(['1:0']);
    handler.end('1:0');
    await eventually(() => expect(handler.running).toEqual(['0:0']));
    await elapse(500);
    handler.end('0:0');
    await eventually(() => expect(handler.running).toEqual(['1:1']));
    expect(handler.started).toEqual(['0:0', '1:0', '0:0', '1:1']);
  });

  it('gives up a record that killed the process four times, the last time alone, and nothing else', async () => {
    const log = new ScriptedLog();
    for (let i = 0; i < 12; i++) log.write(0);
    const buried: number[] = [];
    const done = new Set<number>();
    const unprocessable = async ({ offset }: LogRecord): Promise<void> => void buried.push(offset);
    let deaths = 0;
    let killedAlone = false;
    const live = async (): Promise<boolean> => {
      let running = 0;
      let dead = false;
      const handle = async ({ offset }: LogRecord): Promise<void> => {
        running++;
        if (offset === 5 && !dead) {
          dead = true;
          killedAlone = running === 1;
          log.crash();
        }
        await (dead ? new Promise<never>(() => {}) : time.wait(5));
        running--;
        done.add(offset);
      };
      await consume(log, { handle, unprocessable }, { drainTimeoutMs: 1 });
      await passing(log.assign(0));
      await eventually(() => expect(dead || log.committed(0) === 12).toBe(true));
      if (dead) deaths++;
      return !dead;
    };
    while (!(await live())) if (deaths > 10) throw new Error('it dies for ever');
    expect([deaths, killedAlone]).toEqual([4, true]);
    expect(buried).toEqual([5]);
    expect([...done].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]);
  });

  it('suspects nobody when it lost a partition and has it again itself: nobody died', async () => {
    const log = new ScriptedLog();
    log.write(0);
    const buried: number[] = [];
    let tries = 0;
    const handle = async (): Promise<void> => {
      tries++;
      if (tries <= 6) await new Promise<never>(() => {});
    };
    await consume(log, { handle, unprocessable: async ({ offset }) => void buried.push(offset) });
    for (let losses = 1; losses <= 6; losses++) {
      await passing(log.assign(0));
      await eventually(() => expect(tries).toBe(losses));
      log.lose(0);
    }
    await passing(log.assign(0));
    await eventually(() => expect(log.committed(0)).toBe(1));
    expect([tries, buried]).toEqual([7, []]);
  });
});
