/**
 * Real: the whole consumer engine. Scripted: the log behind the port and the handlers, so that every interleaving is the test's.
 */
import { describe, expect, it } from '@jest/globals';
import { eventually as eventuallyInRealTime } from '@cf/testing';
import { systemClock } from '../src/consumer/clock.js';
import type { LogRecord } from '../src/log.js';
import type { RecordContext } from '../src/parallel-consumer-options.js';
import { broken, byFunction, byKey, consume, time } from './scripted-consumer.js';
import { ScriptedHandler } from './scripted-handler.js';
import { ScriptedLog } from './scripted-log.js';

const { eventually, passing, elapse } = time;

describe('parallel consumer', () => {
  it('runs records of one key one after the other and others meanwhile', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle, orderKey: byKey });
    await passing(log.assign(0, 1));
    for (const key of ['a', 'a', 'b']) log.write(0, { key });
    log.write(1, { key: 'a' });
    await eventually(() => expect(handler.running).toEqual(['0:0', '0:2']));
    handler.end('0:0');
    await eventually(() => expect(handler.running).toEqual(['0:2', '0:1']));
    handler.end('0:1');
    await eventually(() => expect(handler.running).toEqual(['0:2', '1:0']));
    handler.endAll();
  });

  it('starts the next of a key and of a function when a slot is given back, and commits nothing of it before its end', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    const consumer = await consume(log, { handle: handler.handle, orderKey: byKey, bulkhead: byFunction(1) });
    await passing(log.assign(0));
    for (let i = 0; i < 3; i++) log.write(0, { key: 'a', headers: { 'function-id': 'fn' } });
    await eventually(() => expect(handler.running).toEqual(['0:0']));
    handler.yieldSlot('0:0');
    handler.yieldSlot('0:0');
    await eventually(() => expect(handler.running).toEqual(['0:0', '0:1']));
    expect(consumer.stats()).toMatchObject({ inFlight: 1, yielded: 1, queued: 1, records: 3 });
    handler.end('0:1');
    await eventually(() => expect(handler.running).toEqual(['0:0', '0:2']));
    await elapse(500);
    expect(log.committed(0)).toBe(0);
    handler.end('0:0');
    handler.end('0:2');
    await eventually(() => expect(log.committed(0)).toBe(3));
    expect(consumer.stats()).toMatchObject({ inFlight: 0, yielded: 0, inFlightByBulkhead: {} });
  });

  it('starts nothing more while as many as it has slots gave theirs back and are not done', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle }, { maxInFlight: 3 });
    await passing(log.assign(0));
    for (let i = 0; i < 10; i++) log.write(0);
    await eventually(() => expect(handler.running).toHaveLength(3));
    for (let offset = 0; offset < 6; offset++) {
      await eventually(() => handler.yieldSlot(`0:${offset}`));
    }
    await elapse(500);
    expect(handler.running).toHaveLength(6);
    handler.end('0:4');
    await eventually(() => expect(handler.running).toContain('0:6'));
    handler.endAll();
    await eventually(() => {
      handler.endAll();
      expect(log.committed(0)).toBe(10);
    });
  });

  it('tries again without a slot what gave it back and failed', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle, orderKey: byKey }, { maxInFlight: 1 });
    await passing(log.assign(0));
    for (let i = 0; i < 2; i++) log.write(0, { key: 'a' });
    await eventually(() => handler.yieldSlot('0:0'));
    await eventually(() => expect(handler.running).toEqual(['0:0', '0:1']));
    handler.end('0:0', broken(true));
    await eventually(() => expect(handler.started).toEqual(['0:0', '0:1', '0:0']));
    handler.endAll();
    await eventually(() => expect(log.committed(0)).toBe(2));
  });

  it('commits behind a slow record while the others go on, and past it once it is done', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle });
    await passing(log.assign(0));
    for (let i = 0; i < 6; i++) log.write(0);
    await eventually(() => expect(handler.running).toHaveLength(6));
    for (const name of ['0:0', '0:1', '0:3', '0:5']) handler.end(name);
    await eventually(() => expect(log.committed(0)).toBe(2));
    handler.end('0:4');
    await elapse(50);
    expect(log.committed(0)).toBe(2);
    handler.end('0:2');
    await eventually(() => expect(log.committed(0)).toBe(6));
    expect(log.commits.map(({ offset }) => offset)).toEqual(log.commits.map(({ offset }) => offset).sort((a, b) => a - b));
  });

  it('keeps a function within its limit and serves the others meanwhile', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle, bulkhead: byFunction(2) }, { maxInFlight: 4 });
    await passing(log.assign(0));
    for (let i = 0; i < 20; i++) log.write(0, { headers: { 'function-id': 'hanging' } });
    log.write(0, { headers: { 'function-id': 'quick' } });
    await eventually(() => expect(handler.running).toEqual(['0:0', '0:20', '0:1']));
    handler.end('0:20');
    handler.end('0:0');
    await eventually(() => expect(handler.running).toEqual(['0:1', '0:2']));
    handler.endAll();
  });

  it('sees a limit that grew although nothing of that function ends', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    let limit = 0;
    await consume(log, { handle: handler.handle, bulkhead: () => ({ key: 'held', limit }) });
    await passing(log.assign(0));
    log.write(0);
    await elapse(50);
    expect(handler.running).toEqual([]);
    limit = 1;
    await eventually(() => expect(handler.running).toEqual(['0:0']));
    handler.endAll();
  });

  it('hands over as surplus what a hanging function would fill the window with, and goes on with the others', async () => {
    const log = new ScriptedLog();
    const called = new ScriptedHandler();
    for (const name of ['0:99', '0:199', '0:299']) called.byItself.set(name, () => null);
    const surplus: number[] = [];
    const handle = async (record: LogRecord, context: RecordContext): Promise<void> => {
      if (context.isSurplus) surplus.push(record.offset);
      else await called.handle(record, context);
    };
    const quota = { callMs: 1_000, worksOffMs: 3_000 };
    const consumer = await consume(log, { handle, bulkhead: byFunction(2) }, { maxBufferedRecords: 50, quota });
    await passing(log.assign(0));
    for (let i = 0; i < 300; i++) log.write(0, { headers: { 'function-id': i % 100 === 99 ? 'quick' : 'hanging' } });
    await eventually(() => expect(called.ended).toEqual(['0:99', '0:199', '0:299']), 3_000);
    await elapse(1_000);
    expect(called.running).toEqual(['0:0', '0:1']);
    expect(consumer.stats()).toMatchObject({ inFlight: 2, surplus: 0, heldPartitions: 0 });
    expect(surplus).toHaveLength(300 - called.ended.length - consumer.stats().records);
    expect(consumer.stats().queued).toBeLessThanOrEqual(6);
    await eventually(() => {
      called.endAll();
      expect(log.committed(0)).toBe(300);
    });
    expect(called.ended.length + surplus.length).toBe(300);
  });

  it('takes no function for slow whose calls a stop of the process fell into', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    const surplus: number[] = [];
    const handle = async (record: LogRecord, context: RecordContext): Promise<void> => {
      if (context.isSurplus) surplus.push(record.offset);
      else await handler.handle(record, context);
    };
    await consume(log, { handle, bulkhead: byFunction(2) }, { quota: { callMs: 1_000, worksOffMs: 3_000 } });
    await passing(log.assign(0));
    for (let i = 0; i < 50; i++) log.write(0, { headers: { 'function-id': 'quick' } });
    await eventually(() => expect(handler.running).toHaveLength(2));
    time.jump(9_000);
    handler.end('0:0');
    await elapse(500);
    handler.end('0:1');
    await elapse(500);
    expect(surplus).toEqual([]);
    await elapse(5_000);
    expect(surplus.length).toBeGreaterThan(0);
  });

  it('never runs more than its limit at once', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle }, { maxInFlight: 3 });
    await passing(log.assign(0));
    for (let i = 0; i < 30; i++) log.write(0);
    await eventually(() => {
      handler.endAll();
      expect(handler.ended).toHaveLength(30);
    });
    expect(handler.runningMax).toBe(3);
  });

  it('tries a retryable failure in place until it succeeds, with its order key locked', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler(true);
    handler.byItself.set('0:0', (tries) => (tries <= 4 ? broken(true) : null));
    await consume(log, { handle: handler.handle, orderKey: byKey });
    await passing(log.assign(0));
    for (const key of ['a', 'a', 'b']) log.write(0, { key });
    await eventually(() => expect(handler.ended).toEqual(['0:2', '0:0', '0:1']));
    expect(handler.started.filter((name) => name === '0:0')).toHaveLength(5);
    await eventually(() => expect(log.committed(0)).toBe(3));
  });

  it('hands a record over after three failures that are not retryable, until that is acknowledged, and goes on', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler(true);
    handler.byItself.set('0:0', () => broken(false));
    let refusals = 2;
    const buried: number[] = [];
    const unprocessable = async ({ offset }: LogRecord): Promise<void> => {
      if (refusals-- > 0) throw broken(false);
      buried.push(offset);
    };
    await consume(log, { handle: handler.handle, unprocessable, orderKey: byKey });
    await passing(log.assign(0));
    for (const key of ['a', 'a']) log.write(0, { key });
    await eventually(() => expect(handler.ended).toEqual(['0:1']));
    expect(handler.started).toEqual(['0:0', '0:0', '0:0', '0:1']);
    expect(buried).toEqual([0]);
    await eventually(() => expect(log.committed(0)).toBe(2));
  });

  it('hands a record whose keys cannot be read to its handler', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler(true);
    const unreadable = (): never => {
      throw new TypeError('no such header');
    };
    await consume(log, { handle: handler.handle, orderKey: unreadable, bulkhead: unreadable });
    await passing(log.assign(0));
    log.write(0);
    await eventually(() => expect(log.committed(0)).toBe(1));
    expect(handler.ended).toEqual(['0:0']);
  });

  it('drains at a revoke: starts nothing more, waits for what runs, commits it', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle }, { maxInFlight: 2 });
    await passing(log.assign(0));
    for (let i = 0; i < 4; i++) log.write(0);
    await eventually(() => expect(handler.running).toEqual(['0:0', '0:1']));
    const revoked = log.revoke(0);
    handler.endAll();
    await passing(revoked);
    expect(handler.started).toEqual(['0:0', '0:1']);
    expect(log.committed(0)).toBe(2);
    log.lose(0);
    await passing(log.assign());
    await elapse(50);
    expect(handler.started).toEqual(['0:0', '0:1']);
  });

  it('gives a partition away after the drain time, aborts its calls and ignores what still ends', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    const consumer = await consume(log, { handle: handler.handle });
    await passing(log.assign(0));
    for (let i = 0; i < 2; i++) log.write(0);
    await eventually(() => expect(handler.running).toHaveLength(2));
    const signal = handler.signalOf('0:0');
    handler.end('0:1');
    await passing(log.revoke(0));
    expect(log.committed(0)).toBe(0);
    expect(signal.aborted).toBe(false);
    log.lose(0);
    expect(signal.aborted).toBe(true);
    const commits = log.commits.length;
    handler.end('0:0');
    await elapse(50);
    expect(log.commits).toHaveLength(commits);
    expect(consumer.stats()).toMatchObject({ inFlight: 0, queued: 0, records: 0 });
  });

  it('does not repeat for the next owner what was completed above a call that was still running', async () => {
    const log = new ScriptedLog();
    const first = new ScriptedHandler();
    await consume(log, { handle: first.handle });
    await passing(log.assign(0));
    for (let i = 0; i < 5; i++) log.write(0);
    await eventually(() => expect(first.running).toHaveLength(5));
    for (const name of ['0:0', '0:2', '0:4']) first.end(name);
    await passing(log.revoke(0));
    log.crash();
    const second = new ScriptedHandler(true);
    const consumer = await consume(log, { handle: second.handle });
    await passing(log.assign(0));
    await eventually(() => expect(log.committed(0)).toBe(5));
    expect(second.started).toEqual(['0:1', '0:3']);
    expect(consumer.stats().duplicatesDropped).toBe(2);
  });

  it('repeats after a crash what was not committed and nothing else', async () => {
    const log = new ScriptedLog();
    const first = new ScriptedHandler();
    await consume(log, { handle: first.handle });
    await passing(log.assign(0));
    for (let i = 0; i < 4; i++) log.write(0);
    await eventually(() => expect(first.running).toHaveLength(4));
    first.end('0:0');
    first.end('0:1');
    await eventually(() => expect(log.committed(0)).toBe(2));
    log.commitError = new Error('coordinator is away');
    first.end('0:2');
    await elapse(50);
    log.crash();
    log.commitError = null;
    const second = new ScriptedHandler(true);
    await consume(log, { handle: second.handle });
    await passing(log.assign(0));
    await eventually(() => expect(log.committed(0)).toBe(4));
    expect(second.started).toEqual(['0:2', '0:3']);
  });

  it('commits running calls as done at a revoke when they must not be repeated, and lets them finish', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle }, { onRevoke: 'complete-running', maxInFlight: 2 });
    await passing(log.assign(0));
    for (let i = 0; i < 4; i++) log.write(0);
    await eventually(() => expect(handler.running).toEqual(['0:0', '0:1']));
    const signal = handler.signalOf('0:0');
    await passing(log.revoke(0));
    expect(log.committed(0)).toBe(2);
    log.lose(0);
    expect(signal.aborted).toBe(false);
    handler.end('0:0');
    handler.end('0:1', broken(true));
    await eventually(() => expect(handler.running).toEqual(['0:1']));
    handler.end('0:1');
    await eventually(() => expect(handler.ended).toEqual(['0:0', '0:1']));
    expect(log.committed(0)).toBe(2);
  });

  it('keeps the running calls of a partition that stays over a rebalance and drops what is delivered again', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    const consumer = await consume(log, { handle: handler.handle });
    await passing(log.assign(0, 1));
    for (let i = 0; i < 3; i++) log.write(0);
    log.write(1);
    await eventually(() => expect(handler.running).toHaveLength(4));
    handler.end('0:1');
    await passing(log.revoke(1));
    log.lose(1);
    await passing(log.assign(2));
    log.refetch(0);
    log.write(0);
    await eventually(() => expect(handler.started).toEqual(['0:0', '0:1', '0:2', '1:0', '0:3']));
    expect(handler.signalOf('0:0').aborted).toBe(false);
    expect(consumer.stats()).toMatchObject({ inFlight: 4, duplicatesDropped: 3, assignedPartitions: 2, rebalances: 2 });
    handler.endAll();
    await eventually(() => expect(log.committed(0)).toBe(4));
  });

  it('goes on with partitions that stay while another lets go: starts, tries again, commits', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle }, { drainTimeoutMs: 10_000 });
    await passing(log.assign(0, 1));
    for (let i = 0; i < 3; i++) log.write(i % 2);
    await eventually(() => expect(handler.running).toEqual(['0:0', '0:1', '1:0']));
    const revoked = log.revoke(1);
    handler.end('0:1', broken(true));
    for (let i = 0; i < 4; i++) log.write(i % 2);
    await eventually(() => expect(handler.running).toEqual(['0:0', '1:0', '0:2', '0:3', '0:1']));
    for (const name of ['0:0', '0:1', '0:2', '0:3']) handler.end(name);
    await eventually(() => expect(log.committed(0)).toBe(4));
    handler.end('1:0');
    await passing(revoked);
    log.lose(1);
    expect(log.committed(1)).toBe(1);
    await passing(log.assign(1));
    await eventually(() => expect(handler.running).toEqual(['1:1', '1:2']));
  });

  it('tries nothing again of a partition that is about to go', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle }, { drainTimeoutMs: 60_000 });
    await passing(log.assign(0));
    for (let i = 0; i < 2; i++) log.write(0);
    await eventually(() => expect(handler.running).toEqual(['0:0', '0:1']));
    handler.end('0:0', broken(true));
    const revoked = log.revoke(0);
    await elapse(30_000);
    expect(handler.started).toEqual(['0:0', '0:1']);
    handler.end('0:1');
    await passing(revoked);
    log.lose(0);
    await elapse(30_000);
    expect(handler.started).toEqual(['0:0', '0:1']);
  });

  it('tries nothing again while others may own the partition, and goes on once it is certain', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle });
    await passing(log.assign(0));
    log.write(0);
    await eventually(() => expect(handler.running).toEqual(['0:0']));
    handler.end('0:0', broken(true));
    log.isInSession = false;
    await elapse(30_000);
    expect(handler.started).toEqual(['0:0']);
    log.isInSession = true;
    await eventually(() => expect(handler.started).toEqual(['0:0', '0:0']));
    handler.endAll();
  });

  it('starts nothing more of what may run at once when its session ends meanwhile, and the rest once it is certain', async () => {
    const log = new ScriptedLog();
    const started: number[] = [];
    await consume(log, {
      handle: async ({ offset }) => {
        started.push(offset);
        log.isInSession = started.length !== 2;
      },
    });
    await passing(log.assign(0));
    for (let i = 0; i < 4; i++) log.write(0);
    await elapse(500);
    expect(started).toEqual([0, 1]);
    log.isInSession = true;
    await eventually(() => expect(started).toEqual([0, 1, 2, 3]));
  });

  it('starts a record again that it lost and got back, after its first call has ended where the order demands it', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle, orderKey: byKey });
    await passing(log.assign(0));
    log.write(0, { key: 'a' });
    await eventually(() => expect(handler.running).toEqual(['0:0']));
    log.lose(0);
    await passing(log.assign(0));
    await elapse(50);
    expect(handler.started).toEqual(['0:0']);
    handler.end('0:0');
    await eventually(() => expect(handler.started).toEqual(['0:0', '0:0']));
    await elapse(250);
    expect(log.committed(0)).toBe(0);
    handler.end('0:0');
    await eventually(() => expect(log.committed(0)).toBe(1));
  });

  it('prepares for new partitions before their first record, however often that fails', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler(true);
    const seen: number[] = [];
    let failures = 2;
    const assigned = async (): Promise<void> => {
      seen.push(handler.started.length);
      if (failures-- > 0) throw broken(true);
    };
    await consume(log, { handle: handler.handle, assigned });
    log.write(0);
    await passing(log.assign(0));
    await eventually(() => expect(handler.ended).toEqual(['0:0']));
    expect(seen).toEqual([0, 0, 0]);
  });

  it('tells the policy what was lost while it prepared for it, once that has ended', async () => {
    const log = new ScriptedLog();
    const known = new Set<number>();
    let prepared = (): void => undefined;
    const isPrepared = new Promise<void>((resolve) => (prepared = resolve));
    await consume(log, {
      handle: () => Promise.resolve(),
      assigned: async (partitions) => {
        await isPrepared;
        for (const { partition } of partitions) known.add(partition);
      },
      lost: (partitions) => partitions.forEach(({ partition }) => known.delete(partition)),
    });
    const assigned = log.assign(0, 1);
    await passing(log.revoke(0));
    log.lose(0);
    prepared();
    await passing(assigned);
    expect([...known]).toEqual([1]);
  });

  it('drains at a stop, commits, leaves, and starts nothing more', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    const consumer = await consume(log, { handle: handler.handle }, { maxInFlight: 1 });
    await passing(log.assign(0));
    for (let i = 0; i < 2; i++) log.write(0);
    await eventually(() => expect(handler.running).toEqual(['0:0']));
    const stopped = consumer.stop();
    await elapse(50);
    expect(log.left).toBe(false);
    handler.end('0:0');
    await passing(stopped);
    expect(log.left).toBe(true);
    expect(log.committed(0)).toBe(1);
    expect(handler.started).toEqual(['0:0']);
  });

  it('aborts at a stop what does not end within the drain time', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    const consumer = await consume(log, { handle: handler.handle });
    await passing(log.assign(0));
    log.write(0);
    await eventually(() => expect(handler.running).toEqual(['0:0']));
    const signal = handler.signalOf('0:0');
    await passing(consumer.stop());
    expect(signal.aborted).toBe(true);
    expect(log.committed(0)).toBe(0);
  });

  it('waits at a stop for calls that it committed as done', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    const consumer = await consume(log, { handle: handler.handle }, { onRevoke: 'complete-running' });
    await passing(log.assign(0));
    log.write(0);
    await eventually(() => expect(handler.running).toEqual(['0:0']));
    let stopped = false;
    const stopping = consumer.stop().then(() => (stopped = true));
    await eventually(() => expect(log.left).toBe(true));
    expect([stopped, log.committed(0), handler.signalOf('0:0').aborted]).toEqual([false, 1, false]);
    handler.end('0:0');
    await passing(stopping);
    expect(handler.ended).toEqual(['0:0']);
  });

  it('holds the partition that fills the buffer, not the others, and fetches again when there is room', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    const consumer = await consume(log, { handle: handler.handle }, { maxBufferedRecords: 40, maxInFlight: 4 });
    await passing(log.assign(0, 1));
    for (let i = 0; i < 100; i++) log.write(0);
    expect([...log.paused]).toEqual([0]);
    expect(consumer.stats()).toMatchObject({ records: 30, heldPartitions: 1 });
    await elapse(1_000);
    expect(consumer.stats().heldMs).toBeGreaterThanOrEqual(900);
    log.write(1);
    await eventually(() => {
      handler.endAll();
      expect(handler.ended).toHaveLength(101);
    });
    expect(log.paused.size).toBe(0);
    await eventually(() => expect([log.committed(0), log.committed(1)]).toEqual([100, 1]));
  });

  it('holds a partition by its bytes too', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle }, { maxBufferedBytes: 1_000_000 });
    await passing(log.assign(0));
    for (let i = 0; i < 20; i++) log.write(0, { bytes: 100_000 });
    expect([...log.paused]).toEqual([0]);
    await eventually(() => {
      handler.endAll();
      expect(handler.ended).toHaveLength(20);
    });
  });

  it('commits the latest state after the coordinator was away', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler(true);
    await consume(log, { handle: handler.handle });
    await passing(log.assign(0));
    log.write(0);
    await eventually(() => expect(log.committed(0)).toBe(1));
    const commits = log.commits.length;
    log.commitError = new Error('coordinator is away');
    for (let i = 0; i < 3; i++) log.write(0);
    await eventually(() => expect(handler.ended).toHaveLength(4));
    await elapse(150);
    log.commitError = null;
    await eventually(() => expect(log.committed(0)).toBe(4));
    expect(log.commits).toHaveLength(commits + 1);
  });

  it('commits again a second after the coordinator has come back, however long it was away', async () => {
    const log = new ScriptedLog();
    await consume(log, { handle: new ScriptedHandler(true).handle });
    await passing(log.assign(0));
    log.write(0);
    await eventually(() => expect(log.committed(0)).toBe(1));
    log.commitError = new Error('coordinator is away');
    log.write(0);
    await elapse(60_000);
    log.commitError = null;
    await eventually(() => expect(log.committed(0)).toBe(2), 1_200);
  });

  it('lets sockets have their turn between handlers that return at once', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler(true);
    await consume(log, { handle: handler.handle }, { maxBufferedRecords: 100_000 }, systemClock);
    await log.assign(0);
    let turns = 0;
    const count = (): void => {
      if (handler.ended.length < 5_000) {
        turns++;
        setImmediate(count);
      }
    };
    setImmediate(count);
    for (let i = 0; i < 5_000; i++) log.write(0);
    await eventuallyInRealTime(() => expect(handler.ended).toHaveLength(5_000));
    expect(turns).toBeGreaterThan(10);
  });
});
