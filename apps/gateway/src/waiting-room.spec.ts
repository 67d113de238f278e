import { describe, expect, it } from '@jest/globals';
import { WaitingRoom } from './waiting-room.js';

const [one, other] = ['a0000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000002'];
const busy = expect.objectContaining({ status: 503, code: 'too_busy', headers: { 'retry-after': '1' } });
const ownShare = expect.objectContaining({ status: 429, code: 'too_many_waiting', headers: { 'retry-after': '1' } });

describe('a waiting room', () => {
  it('gives an organization its share and no more, whatever others have', () => {
    const room = new WaitingRoom('steps', { all: 5, ofOrganization: 3 });
    room.enter(one, 3);
    expect(() => room.check(one.toUpperCase(), 1)).toThrow(ownShare);
    expect(() => room.check(other, 2)).not.toThrow();
    expect(() => room.check(other, 3)).toThrow(busy);
  });

  it('has room again when somebody has left', () => {
    const room = new WaitingRoom('events', { all: 3, ofOrganization: 3 });
    room.enter(one, 1);
    room.enter(one.toUpperCase(), 2);
    room.leave(one.toUpperCase(), 1);
    expect(() => room.check(one, 1)).not.toThrow();
    expect(() => room.check(other, 2)).toThrow(busy);
    room.leave(one, 2);
    expect(room.size).toBe(0);
    expect(() => room.check(one, 3)).not.toThrow();
  });
});
