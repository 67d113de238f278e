import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import { decodeFetchAnswer } from './fetch-answer.js';
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from './kafkajs-internals.js';

const require = createRequire(import.meta.url);

describe('what is taken from inside kafkajs', () => {
  it('is that of the version it was held to', () => {
    expect((require('kafkajs/package.json') as { version: string }).version).toBe('2.2.4');
  });

  it('arms no timer on a connection where nothing waits, and one where something does', () => {
    const { prototype } = require('kafkajs/src/network/requestQueue') as { prototype: { scheduleCheckPendingRequests(): void } };
    const queue = (
      pending: readonly unknown[],
    ): { pending: readonly unknown[]; throttledUntil: number; throttleCheckTimeoutId: NodeJS.Timeout | null } => ({
      pending,
      throttledUntil: -1,
      throttleCheckTimeoutId: null,
    });
    const idle = queue([]);
    prototype.scheduleCheckPendingRequests.call(idle);
    expect(idle.throttleCheckTimeoutId).toBeNull();
    const busy = queue([{}]);
    prototype.scheduleCheckPendingRequests.call(busy);
    expect(busy.throttleCheckTimeoutId).not.toBeNull();
    clearTimeout(busy.throttleCheckTimeoutId!);
  });

  it('carries subscriptions and assignments as other clients of the group protocol write them', () => {
    expect(decodeSubscription(encodeSubscription(['a', 'b'], Buffer.from('{}')))).toMatchObject({
      topics: ['a', 'b'],
      userData: Buffer.from('{}'),
    });
    expect(decodeAssignment(encodeAssignment({ a: [0, 2], b: [1] }, Buffer.from('{}')))).toMatchObject({
      assignment: { a: [0, 2], b: [1] },
      userData: Buffer.from('{}'),
    });
    expect(decodeAssignment(Buffer.alloc(0))).toEqual({ assignment: {}, userData: Buffer.alloc(0) });
  });

  it('names the protocol that is missing where a broker is too old', async () => {
    await expect(decodeFetchAnswer(Buffer.alloc(0), 10, String)).rejects.toThrow('Kafka 2.3 or newer');
  });
});
