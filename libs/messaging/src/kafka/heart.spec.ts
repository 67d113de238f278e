import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { eventually } from '@cf/testing';
import type { GroupCoordinator } from './group-coordinator.js';
import { Heart } from './heart.js';

const refusing = (type: string): GroupCoordinator =>
  ({ heartbeat: () => Promise.reject(Object.assign(new Error('refused'), { type })) }) as unknown as GroupCoordinator;

it('is in no session any more once the coordinator has forgotten the member, also while nobody waits for its end', async () => {
  const rhythm = { intervalMs: 10, sessionTimeoutMs: 60_000 };
  const heart = new Heart(refusing('UNKNOWN_MEMBER_ID'), rhythm, performance.now(), async () => undefined);
  expect(heart.isInSession).toBe(true);
  await eventually(() => expect(heart.isInSession).toBe(false));
});

it('asks for a join when the group is in another generation, and ends only when the session passes without it', async () => {
  const missed: unknown[] = [];
  const rhythm = { intervalMs: 10, sessionTimeoutMs: 1_000 };
  const heart = new Heart(refusing('ILLEGAL_GENERATION'), rhythm, performance.now(), async (error) => void missed.push(error));
  await heart.rebalance;
  expect(heart.isInSession).toBe(true);
  await expect(heart.end).rejects.toMatchObject({ type: 'ILLEGAL_GENERATION' });
  expect(missed).toEqual([]);
});

it('hears what the group says after a pause of the process for a session, and lives on when it is still a member', async () => {
  const answering = { heartbeat: () => delay(20) } as unknown as GroupCoordinator;
  const rhythm = { intervalMs: 200, sessionTimeoutMs: 1_000 };
  const heart = new Heart(answering, rhythm, performance.now() - 2_000, async () => undefined);
  expect(heart.isInSession).toBe(false);
  await eventually(() => expect(heart.isInSession).toBe(true));
  heart.stop();
});
