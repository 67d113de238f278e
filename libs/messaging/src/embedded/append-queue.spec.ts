import { describe, expect, it } from '@jest/globals';
import type { PublishError } from '../errors.js';
import { AppendQueue, type AppendBounds, type PendingRecord, type Priority } from './append-queue.js';

const BOUNDS: AppendBounds = { batchRecordsMax: 8, batchBytesMax: 100_000, queuedRecordsMax: 20, queuedBytesMax: 1_000_000 };

const pending = (priority: Priority, name: string, more: Partial<PendingRecord> & { bytes?: number } = {}): PendingRecord => ({
  priority,
  record: { topic: name, partition: 0, key: null, value: Buffer.alloc(more.bytes ?? 1), headers: {} },
  giveUpAtMs: Infinity,
  isSettled: () => false,
  resolve: () => undefined,
  reject: () => undefined,
  ...more,
});
const queueOf = (bounds: Partial<AppendBounds>, ...records: PendingRecord[]): AppendQueue => {
  const queue = new AppendQueue({ ...BOUNDS, ...bounds });
  for (const record of records) queue.push(record);
  return queue;
};
const names = (batch: readonly PendingRecord[]): string[] => batch.map(({ record }) => record.topic);
const many = (priority: Priority, count: number): PendingRecord[] =>
  Array.from({ length: count }, (_, index) => pending(priority, `${priority}${index}`));

describe('AppendQueue', () => {
  it('takes steps before triggers that came earlier', () => {
    expect(names(queueOf({}, pending('trigger', 't'), pending('step', 's')).take())).toEqual(['s', 't']);
  });

  it('keeps a part of each batch for triggers while steps would fill it', () => {
    const queue = queueOf({}, ...many('step', 20), ...many('trigger', 3));
    expect(names(queue.take())).toEqual(['step0', 'step1', 'step2', 'step3', 'step4', 'step5', 'step6', 'trigger0']);
  });

  it('bounds a batch by records and by bytes, but always takes one record', () => {
    expect(queueOf({}, ...many('step', 20)).take()).toHaveLength(8);
    const large = Array.from({ length: 3 }, (_, index) => pending('trigger', `t${index}`, { bytes: 60_000 }));
    expect(names(queueOf({}, ...large).take())).toEqual(['t0']);
    expect(names(queueOf({ batchBytesMax: 10 }, ...large).take())).toEqual(['t0']);
  });

  it('puts a batch back where it was', () => {
    const queue = queueOf({}, ...many('step', 10), ...many('trigger', 10));
    queue.putBack(queue.take());
    expect(names(queue.take())).toEqual(['step0', 'step1', 'step2', 'step3', 'step4', 'step5', 'step6', 'trigger0']);
  });

  it('refuses what a full lane cannot hold as retryable, and the other lane not at all', () => {
    const errors: PublishError[] = [];
    const queue = queueOf({}, ...many('trigger', 20));
    queue.push(pending('trigger', 'one too many', { reject: (error) => errors.push(error) }));
    queue.push(pending('step', 's', { reject: (error) => errors.push(error) }));
    expect(errors).toMatchObject([{ code: 'queue_full', retryable: true }]);
    expect(queue.length).toBe(21);
  });

  it('gives out what waited too long', () => {
    const queue = queueOf({}, pending('step', 'old', { giveUpAtMs: 10 }), pending('step', 'young', { giveUpAtMs: 20 }));
    expect(names(queue.expired(10))).toEqual(['old']);
    expect(names(queue.take())).toEqual(['young']);
  });
});
