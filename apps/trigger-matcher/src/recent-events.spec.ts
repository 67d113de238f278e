import { describe, expect, it } from '@jest/globals';
import { chatEvents } from '@cf/contract';
import { RecentEvents } from './recent-events.js';

const event = chatEvents.example;
const another = (index: number) => ({ orgId: event.orgId, id: `00000000-0000-4000-8000-${String(index).padStart(12, '0')}` });

describe('recent events', () => {
  it('know an id that was seen at a lower offset, whatever its case', () => {
    const recent = new RecentEvents({ windowMs: 1_000, recordsMax: 10 });
    expect(recent.isRepeat(event, 5, 0)).toBe(false);
    expect(recent.isRepeat({ orgId: event.orgId.toUpperCase(), id: event.id.toUpperCase() }, 6, 0)).toBe(true);
  });

  it('never drop the record that was seen first, however often it is tried', () => {
    const recent = new RecentEvents({ windowMs: 1_000, recordsMax: 10 });
    recent.isRepeat(event, 5, 0);
    expect([recent.isRepeat(event, 5, 0), recent.isRepeat(event, 3, 0), recent.isRepeat(event, 5, 0)]).toEqual([false, false, true]);
  });

  it('keep organizations apart', () => {
    const recent = new RecentEvents({ windowMs: 1_000, recordsMax: 10 });
    recent.isRepeat(event, 5, 0);
    expect(recent.isRepeat({ ...event, orgId: another(1).id }, 6, 0)).toBe(false);
  });

  it('forget beyond their window and their number', () => {
    const recent = new RecentEvents({ windowMs: 1_000, recordsMax: 3 });
    for (let index = 0; index < 5; index++) recent.isRepeat(another(index), index, index);
    expect([recent.size, recent.isRepeat(another(4), 9, 4), recent.isRepeat(another(0), 10, 4)]).toEqual([3, true, false]);
    recent.isRepeat(another(6), 11, 5_000);
    expect(recent.size).toBe(1);
  });
});
