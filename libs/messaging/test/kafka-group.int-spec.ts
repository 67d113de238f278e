import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { describeOnKafka, eventually, RecordingMember } from '@cf/testing';
import type { KafkaLog } from '../src/kafka/kafka-log.js';
import type { GroupListener } from '../src/log.js';
import { KafkaFixture, numbered, publishAll, topicSpec, upTo, valuesOf } from './kafka-fixture.js';

const silent: GroupListener = {
  assigned: async () => undefined,
  records: () => undefined,
  revoking: async () => undefined,
  lost: () => undefined,
  failed: () => undefined,
};

describeOnKafka('a member of a Kafka group', () => {
  let kafka: KafkaFixture;
  let log: KafkaLog;
  let group: string;
  const topic = async (partitions = 1): Promise<string> => {
    const spec = topicSpec({ partitions });
    await log.ensureTopics([spec]);
    return spec.name;
  };

  beforeEach(async () => {
    kafka = new KafkaFixture();
    log = await kafka.log();
    group = `group-${randomUUID()}`;
  });
  afterEach(() => kafka.close());

  describe('at a rebalance', () => {
    it('lets the drain finish before others get its partitions, and the next owner begins at what was committed meanwhile', async () => {
      const name = await topic(2);
      await publishAll(log, [...numbered(name, 10, 0), ...numbered(name, 10, 1)]);
      let drained = 0;
      const first = await RecordingMember.join(log, {
        topics: [name],
        group,
        drainTimeoutMs: 5_000,
        whileRevoking: async (member) => {
          await delay(800);
          await member.member.commit([0, 1].map((partition) => ({ topic: name, partition, offset: 7, metadata: `m${partition}` })));
          drained = Date.now();
        },
      });
      await first.got(20);
      const second = await RecordingMember.join(log, { topics: [name], group });
      await Promise.all([first.owns(1), second.owns(1)]);
      await second.got(3);
      const [own] = second.assignments;
      expect(own).toMatchObject({ committedOffset: 7, metadata: `m${own!.partition}` });
      expect(valuesOf(second.delivered)).toEqual([7, 8, 9]);
      expect(drained).toBeGreaterThan(0);
      expect(first.failures).toEqual([]);
    });

    it('keeps its membership while it drains for longer than its session', async () => {
      const name = await topic(2);
      const patient = await kafka.log({ sessionTimeoutMs: 1_000, heartbeatIntervalMs: 200 });
      const options = { topics: [name], group, drainTimeoutMs: 6_000 };
      const first = await RecordingMember.join(patient, {
        ...options,
        whileRevoking: async (member) => {
          await delay(2_500);
          await member.commit(name, 0, 0, 'still accepted');
        },
      });
      await first.owns(2);
      const second = await RecordingMember.join(patient, options);
      await Promise.all([first.owns(1), second.owns(1)]);
      expect(first.failures).toEqual([]);
      expect(first.lostPartitions).toHaveLength(1);
      expect((await log.committedOffsets(group, name))[0]).toBe(0);
    });

    it('reads partitions that stay on where it was, without delivering anything twice, though nothing was committed', async () => {
      const name = await topic(4);
      await publishAll(log, upTo(4).flatMap((partition) => numbered(name, 50, partition))); // prettier-ignore
      const first = await RecordingMember.join(log, { topics: [name], group });
      await first.got(200);
      const second = await RecordingMember.join(log, { topics: [name], group });
      await Promise.all([first.owns(2), second.owns(2)]);
      await publishAll(log, upTo(4).flatMap((partition) => numbered(name, 50, partition, 50))); // prettier-ignore
      const kept = first.member.assignment().map(({ partition }) => partition);
      await eventually(() => expect(kept.flatMap((partition) => first.values(partition))).toHaveLength(200));
      for (const partition of kept) expect(first.values(partition).map(Number)).toEqual(upTo(100));
      expect(first.assignments).toHaveLength(4);
    });

    it('goes on with what stays: reads and commits while it lets go of the rest', async () => {
      const name = await topic(2);
      let letGo = (): void => undefined;
      const isLetGo = new Promise<void>((resolve) => (letGo = resolve));
      const options = { topics: [name], group, drainTimeoutMs: 60_000 };
      const first = await RecordingMember.join(log, { ...options, whileRevoking: () => isLetGo });
      await first.owns(2);
      const second = await RecordingMember.join(log, { topics: [name], group });
      await eventually(() => expect(first.revoked).toHaveLength(1));
      const stays = first.revoked[0]!.partition === 0 ? 1 : 0;
      await publishAll(log, [...numbered(name, 5, 0), ...numbered(name, 5, 1)]);
      await first.got(5);
      await first.commit(name, stays, 5);
      expect([first.values(stays).map(Number), second.delivered]).toEqual([upTo(5), []]);
      letGo();
      await second.got(5);
      expect(first.delivered).toHaveLength(5);
      expect((await log.committedOffsets(group, name))[stays]).toBe(5);
    });

    it('goes on while the group waits for a member that died', async () => {
      const name = await topic(2);
      const victim = kafka.member({ group, topic: name, sessionTimeoutMs: 10_000 });
      await eventually(() => expect(victim.reports).toContainEqual({ is: 'assigned', partitions: [0, 1] }), 30_000);
      const first = await RecordingMember.join(log, { topics: [name], group });
      await first.owns(1);
      await victim.kill();
      const second = await RecordingMember.join(log, { topics: [name], group });
      const { partition } = first.member.assignment()[0]!;
      for (let from = 0; from < 50; from += 5) {
        await publishAll(log, numbered(name, 5, partition, from));
        await first.got(from + 5);
        await first.commit(name, partition, from + 5);
      }
      expect(second.assignments).toEqual([]);
      await Promise.all([first.owns(1), second.owns(1)]);
      expect(first.lostPartitions).toEqual([]);
    });

    it('drains at once when it leaves while the group waits for a member that died', async () => {
      const name = await topic(2);
      const victim = kafka.member({ group, topic: name, sessionTimeoutMs: 20_000 });
      await eventually(() => expect(victim.reports).toContainEqual({ is: 'assigned', partitions: [0, 1] }), 30_000);
      const whileRevoking = async ({ member }: RecordingMember): Promise<void> =>
        member.commit(member.assignment().map((own) => ({ ...own, offset: 0, metadata: 'handed over' })));
      const first = await RecordingMember.join(log, { topics: [name], group, drainTimeoutMs: 1_000, whileRevoking });
      await first.owns(1);
      const [own] = first.member.assignment();
      await victim.kill();
      await RecordingMember.join(log, { topics: [name], group });
      await delay(1_000);
      await first.member.leave();
      expect([first.revoked, first.lostPartitions]).toEqual([[own], [own]]);
      expect((await log.committedOffsets(group, name))[own!.partition]).toBe(0);
    });

    it('tells the end of the join also to a member that gets nothing new', async () => {
      const name = await topic(2);
      const calls: number[] = [];
      const listener = { ...silent, assigned: async (partitions: readonly unknown[]) => void calls.push(partitions.length) };
      const options = { group, topics: [name], coPartitioned: false, drainTimeoutMs: 1_000, onOffsetOutOfRange: 'earliest' } as const;
      await log.join({ ...options, listener });
      await eventually(() => expect(calls).toEqual([2]));
      await log.join({ ...options, listener: silent });
      await eventually(() => expect(calls).toEqual([2, 0]));
    });

    it('keeps a partition paused that stays', async () => {
      const name = await topic(2);
      const first = await RecordingMember.join(log, { topics: [name], group });
      await first.owns(2);
      first.member.pause([0, 1].map((partition) => ({ topic: name, partition })));
      const second = await RecordingMember.join(log, { topics: [name], group });
      await Promise.all([first.owns(1), second.owns(1)]);
      await publishAll(log, [...numbered(name, 5, 0), ...numbered(name, 5, 1)]);
      await second.got(5);
      expect(first.delivered).toEqual([]);
      first.member.resume(first.member.assignment());
      await first.got(5);
    });
  });

  describe('when a process dies', () => {
    it('hands what was not committed to another member after SIGKILL', async () => {
      const name = await topic();
      await publishAll(log, numbered(name, 100));
      const victim = kafka.member({ group, topic: name });
      await eventually(() => expect(victim.offsets(0)).toEqual(upTo(100)), 30_000);
      victim.commit({ partition: 0, offset: 40 });
      await eventually(() => expect(victim.reports).toContainEqual({ is: 'committed' }));
      await victim.kill();
      const heir = await RecordingMember.join(log, { topics: [name], group });
      await heir.got(60);
      expect(valuesOf(heir.delivered)).toEqual(upTo(60, 40));
    });

    it('refuses the commit of a member that was frozen while another took over, and tells it that it lost', async () => {
      const name = await topic();
      await publishAll(log, numbered(name, 100));
      const frozen = kafka.member({ group, topic: name });
      await eventually(() => expect(frozen.offsets(0)).toHaveLength(100), 30_000);
      frozen.freeze();
      const heir = await RecordingMember.join(log, { topics: [name], group });
      await heir.got(100);
      await heir.commit(name, 0, 90);
      frozen.commit({ partition: 0, offset: 10 });
      frozen.thaw();
      await eventually(() => expect(frozen.reports).toContainEqual({ is: 'lost', partitions: [0] }));
      expect(frozen.reports).not.toContainEqual({ is: 'committed' });
      expect(await log.committedOffsets(group, name)).toEqual([90]);
    });
  });

  describe('whose listener fails', () => {
    it('lets go of its partitions, says why, and takes them again', async () => {
      const name = await topic();
      await publishAll(log, numbered(name, 3));
      let attempts = 0;
      const events: string[] = [];
      const member = await log.join({
        group,
        topics: [name],
        coPartitioned: false,
        drainTimeoutMs: 1_000,
        onOffsetOutOfRange: 'earliest',
        listener: {
          ...silent,
          assigned: async () => {
            attempts++;
            if (attempts === 1) throw new Error('not ready yet');
          },
          records: (_, __, records) => events.push(...records.map(({ value }) => String(value))),
          lost: () => events.push('lost'),
          failed: ({ message }) => events.push(message),
        },
      });
      await eventually(() => expect(events).toEqual(['lost', 'not ready yet', '0', '1', '2']));
      expect(member.healthy()).toBe(true);
    });

    it('takes its partitions again also when it fails at letting go of them', async () => {
      const name = await topic();
      await publishAll(log, numbered(name, 3));
      let attempts = 0;
      const fail = (): never => {
        throw new Error('at letting go');
      };
      const taken: number[] = [];
      const listener: GroupListener = {
        ...silent,
        assigned: async () => (attempts++ === 0 ? fail() : undefined),
        records: (_, __, records) => taken.push(...valuesOf(records)),
        lost: fail,
        failed: fail,
      };
      await log.join({ group, topics: [name], coPartitioned: false, drainTimeoutMs: 1_000, onOffsetOutOfRange: 'earliest', listener });
      await eventually(() => expect(taken).toEqual([0, 1, 2]));
    });

    it('gets the same records again when it could not take them', async () => {
      const name = await topic();
      await publishAll(log, numbered(name, 3));
      const taken: number[] = [];
      let refusals = 2;
      const listener: GroupListener = {
        ...silent,
        records: (_, __, records) => {
          if (refusals-- > 0) throw new Error('no room');
          taken.push(...valuesOf(records));
        },
      };
      await log.join({ group, topics: [name], coPartitioned: false, drainTimeoutMs: 1_000, onOffsetOutOfRange: 'earliest', listener });
      await eventually(() => expect(taken).toEqual([0, 1, 2]));
    });
  });

  describe('whose committed offset is gone', () => {
    const withGap = async (onOffsetOutOfRange: 'earliest' | 'stop'): Promise<{ name: string; member: RecordingMember }> => {
      const name = await topic(2);
      await publishAll(log, [...numbered(name, 20, 0), ...numbered(name, 20, 1)]);
      const before = await RecordingMember.join(log, { topics: [name], group, onOffsetOutOfRange });
      await before.got(40);
      await before.commit(name, 0, 5);
      await before.commit(name, 1, 5);
      await before.member.leave();
      await kafka.deleteRecords(name, 0, 10);
      return { name, member: await RecordingMember.join(log, { topics: [name], group, onOffsetOutOfRange }) };
    };

    it('reads on at the earliest record where the group may', async () => {
      const { member } = await withGap('earliest');
      await member.got(25);
      expect(member.values(0).map(Number)).toEqual(upTo(10, 10));
      expect(member.values(1).map(Number)).toEqual(upTo(15, 5));
      expect(member.member.healthy()).toBe(true);
    });

    it('stops that partition and turns red where the group may not jump', async () => {
      const { name, member } = await withGap('stop');
      await member.got(15);
      await eventually(() => expect(member.failures).toMatchObject([{ code: 'offset_out_of_range' }]));
      expect(member.failures[0]!.message).toContain(`${name}[0]`);
      expect(member.member.healthy()).toBe(false);
      expect(member.values(0)).toEqual([]);
      expect(member.values(1).map(Number)).toEqual(upTo(15, 5));
      expect(await log.committedOffsets(group, name)).toEqual([5, 5]);
      await eventually(() => expect(log.status()).toMatchObject({ ok: false, detail: expect.stringContaining(`stopped at ${name}[0]`) }));
    });

    it('begins anew at the earliest record where the offset lies beyond the end, and the listener learns where it is', async () => {
      const name = await topic();
      await publishAll(log, numbered(name, 3));
      const before = await RecordingMember.join(log, { topics: [name], group });
      await before.got(3);
      await before.commit(name, 0, 50);
      await before.member.leave();
      const after = await RecordingMember.join(log, { topics: [name], group });
      await after.got(3);
      expect(after.assignments.map(({ committedOffset }) => committedOffset)).toEqual([50, 0]);
      expect(after.lostPartitions).toHaveLength(1);
      expect(after.member.healthy()).toBe(true);
    });

    it('takes a missing offset for a loss where the group may not jump, and not for a partition that never had a record', async () => {
      const name = await topic(2);
      await publishAll(log, numbered(name, 20, 0));
      const options = { topics: [name], group, onOffsetOutOfRange: 'stop' } as const;
      const first = await RecordingMember.join(log, options);
      await first.got(20);
      await first.commit(name, 0, 20);
      await first.member.leave();
      await publishAll(log, numbered(name, 5, 1));
      const second = await RecordingMember.join(log, options);
      await second.got(5);
      expect(second.member.healthy()).toBe(true);
      await second.member.leave();

      const admin = await kafka.admin();
      await admin.deleteGroups([kafka.topicPrefix + group]);
      await admin.setOffsets({
        groupId: kafka.topicPrefix + group,
        topic: kafka.topicPrefix + name,
        partitions: [{ partition: 0, offset: '20' }],
      });
      const third = await RecordingMember.join(log, options);
      await eventually(() => expect(third.failures).toMatchObject([{ code: 'offset_out_of_range' }]));
      expect(third.delivered).toEqual([]);
      expect(third.member.healthy()).toBe(false);
    });
  });
});
