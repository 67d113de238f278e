import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type AssignedPartition,
  EmbeddedLog,
  type GroupListener,
  type GroupMember,
  type LogRecord,
  type TopicPartition,
} from '@cf/messaging';
import { eventually, numbered, publishAll, RecordingMember } from '@cf/testing';

const TOPIC = 'topic';

class CarelessListener implements GroupListener {
  readonly calls: string[] = [];
  readonly values: string[] = [];
  failAssigned = 0;
  failRecords = 0;
  assignedGate: Promise<void> = Promise.resolve();

  async assigned(partitions: readonly AssignedPartition[]): Promise<void> {
    this.calls.push(`assigned ${partitions.length}`);
    await this.assignedGate;
    if (this.failAssigned-- > 0) throw new Error('could not prepare');
  }
  records(_topic: string, _partition: number, records: readonly LogRecord[]): void {
    if (this.failRecords-- > 0) throw new Error('could not take them');
    this.values.push(...records.map(({ value }) => String(value)));
  }
  async revoking(partitions: readonly TopicPartition[]): Promise<void> {
    this.calls.push(`revoking ${partitions.length}`);
  }
  lost(partitions: readonly TopicPartition[]): void {
    this.calls.push(`lost ${partitions.length}`);
  }
  failed(error: Error): void {
    this.calls.push(`failed: ${error.message}`);
  }
}

describe('a member of a group in one process', () => {
  let log: EmbeddedLog;
  beforeEach(async () => {
    log = EmbeddedLog.inMemory();
    await log.start();
    await log.ensureTopics([{ name: TOPIC, partitions: 2, cleanup: 'delete', retentionMs: null, messageBytesMax: 10_000 }]);
  });
  afterEach(() => log.close());

  const join = (listener: GroupListener, group = 'group'): Promise<GroupMember> =>
    log.join({ group, topics: [TOPIC], coPartitioned: false, drainTimeoutMs: 200, onOffsetOutOfRange: 'earliest', listener });

  it('gets no record before `assigned` has resolved', async () => {
    await publishAll(log, numbered(TOPIC, 5, 0));
    const listener = new CarelessListener();
    let prepared = (): void => undefined;
    listener.assignedGate = new Promise((resolve) => (prepared = resolve));
    const member = await join(listener);
    await eventually(() => expect(listener.calls).toEqual(['assigned 2']));
    await publishAll(log, numbered(TOPIC, 5, 0, 5));
    expect(listener.values).toEqual([]);
    expect(member.healthy()).toBe(false);
    prepared();
    await eventually(() => expect(listener.values).toHaveLength(10));
    expect(member.healthy()).toBe(true);
  });

  it('that could not prepare is red, lets go, and tries again', async () => {
    await publishAll(log, numbered(TOPIC, 3, 0));
    const listener = new CarelessListener();
    listener.failAssigned = 1;
    const member = await join(listener);
    await eventually(() => expect(listener.calls).toEqual(['assigned 2', 'failed: could not prepare', 'lost 2']));
    expect(member.healthy()).toBe(false);
    await eventually(() => expect(listener.values).toEqual(['0', '1', '2']));
    expect(listener.calls.at(-1)).toBe('assigned 2');
    expect(member.healthy()).toBe(true);
  });

  it('that threw at its records gets them again from its commit', async () => {
    const listener = new CarelessListener();
    const member = await join(listener);
    await eventually(() => expect(member.healthy()).toBe(true));
    await publishAll(log, numbered(TOPIC, 3, 0));
    await eventually(() => expect(listener.values).toHaveLength(3));
    await member.commit([{ topic: TOPIC, partition: 0, offset: 2 }]);
    listener.failRecords = 1;
    await publishAll(log, numbered(TOPIC, 2, 0, 3));
    await eventually(() => expect(listener.values).toEqual(['0', '1', '2', '2', '3', '4']));
    expect(listener.calls).toContain('failed: could not take them');
  });

  it('that threw does not keep the log from writing', async () => {
    const listener = new CarelessListener();
    listener.failRecords = 3;
    const member = await join(listener);
    await eventually(() => expect(member.healthy()).toBe(true));
    await publishAll(log, numbered(TOPIC, 3, 0));
    expect(await log.endOffsets(TOPIC)).toEqual([3, 0]);
  });

  it('is told of its assignment after every rebalance, also when nothing is new', async () => {
    const listener = new CarelessListener();
    const member = await join(listener);
    await eventually(() => expect(member.healthy()).toBe(true));
    const other = await RecordingMember.join(log, { topics: [TOPIC], group: 'group' });
    await other.owns(1);
    await eventually(() => expect(listener.calls).toEqual(['assigned 2', 'revoking 1', 'lost 1', 'assigned 0']));
  });

  it('that is one too many owns nothing and is well', async () => {
    const members = await Promise.all([0, 1, 2].map(() => RecordingMember.join(log, { topics: [TOPIC], group: 'group' })));
    await eventually(() => expect(members.map(({ member }) => member.assignment().length).sort()).toEqual([0, 1, 1]));
    await eventually(() => expect(members.every(({ member }) => member.healthy())).toBe(true));
  });

  it('may not commit beyond the end, nor more metadata than Kafka takes', async () => {
    const member = await RecordingMember.join(log, { topics: [TOPIC] });
    await member.owns(2);
    await expect(member.commit(TOPIC, 0, 1)).rejects.toMatchObject({ code: 'offset_out_of_range' });
    await expect(member.commit(TOPIC, 0, 0, 'x'.repeat(4_097))).rejects.toMatchObject({ code: 'metadata_too_large' });
  });

  it('goes on with what it kept while others come and go in quick succession, and nothing is skipped or repeated', async () => {
    const commitAll = (member: RecordingMember): Promise<void> => member.commitDelivered();
    const members = [await RecordingMember.join(log, { topics: [TOPIC], group: 'group', whileRevoking: commitAll })];
    let publishing = true;
    let published = 0;
    const stream = (async () => {
      while (publishing) {
        await publishAll(log, numbered(TOPIC, 20, (published / 20) % 2, published));
        published += 20;
        // Memory answers within the tick, and would leave nobody else a turn.
        await setImmediate();
      }
    })();
    for (let change = 0; change < 10; change++) {
      members.push(await RecordingMember.join(log, { topics: [TOPIC], group: 'group', whileRevoking: commitAll }));
      const count = published;
      await eventually(() => expect(published).toBeGreaterThan(count + 100));
      if (change % 2 === 1) await members[change]?.member.leave();
    }
    publishing = false;
    await stream;
    const values = (): number[] => members.flatMap((member) => member.values().map(Number));
    await eventually(() => expect(values().length).toBeGreaterThanOrEqual(published));
    expect(values().sort((a, b) => a - b)).toEqual(Array.from({ length: published }, (_, index) => index));
  });
});
