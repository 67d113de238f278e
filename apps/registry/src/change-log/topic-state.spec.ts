import { describe, expect, it } from '@jest/globals';
import { registryChanges, registryTriggers } from '@cf/contract';
import { compareToRow, NOTHING, readTopicState } from './topic-state.js';

const record = (key: string | null, value: unknown) => ({
  key: key === null ? null : Buffer.from(key),
  value: value === null ? null : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
});
const id = registryChanges.example.id;

describe('readTopicState', () => {
  it('reads what the contract’s examples say', () => {
    const orgId = '0d1c7a52-8f1e-4a0e-9a63-0c6a1c6f5d11';
    expect(readTopicState(record(id, registryChanges.example))).toEqual({
      id,
      state: { version: 3, alive: true, type: 'cloud-function', orgId },
    });
    const trigger = registryTriggers.example;
    expect(readTopicState(record(trigger.id.toUpperCase(), trigger))).toMatchObject({
      id: trigger.id,
      state: { version: 1, type: 'trigger', orgId },
    });
  });

  it('reads deletions and tombstones as gone', () => {
    expect(readTopicState(record(id, { type: 'trigger', id, version: 4, deleted: true, resource: null }))?.state).toMatchObject({
      version: 4,
      alive: false,
    });
    expect(readTopicState(record(id, null))?.state).toEqual(NOTHING);
  });

  it('takes what cannot be read for an outdated state, and a key that is no id for nothing', () => {
    expect(readTopicState(record(id, '{"version":'))?.state).toMatchObject({ version: 0, alive: true, type: null });
    expect(readTopicState(record(id, { version: 'x' }))?.state).toMatchObject({ version: 0, alive: true, type: null });
    expect(readTopicState(record('key', registryChanges.example))).toBeNull();
    expect(readTopicState(record(null, registryChanges.example))).toBeNull();
  });
});

describe('compareToRow', () => {
  const alive = (version: number) => ({ ...NOTHING, version, alive: true });

  it.each([
    [alive(3), 3, 'agrees'],
    [alive(2), 3, 'topic_is_behind'],
    [alive(4), 3, 'row_is_behind'],
    [NOTHING, 3, 'topic_is_behind'],
    [{ ...NOTHING, version: 3 }, 3, 'topic_is_behind'],
    [{ ...NOTHING, version: 4 }, 3, 'row_is_behind'],
    [alive(3), null, 'row_is_gone'],
    [NOTHING, null, 'agrees'],
    [{ ...NOTHING, version: 4 }, null, 'agrees'],
  ])('%j beside a row of version %j: %s', (state, version, verdict) => {
    expect(compareToRow(state, version)).toBe(verdict);
  });
});
