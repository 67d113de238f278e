import { expect, it } from '@jest/globals';
import { eventually } from '@cf/testing';
import type { GroupCoordinator } from './group-coordinator.js';
import { Heart } from './heart.js';

it('is in no session any more once the coordinator has forgotten the member, also while nobody waits for its end', async () => {
  const forgotten = Object.assign(new Error('who?'), { type: 'UNKNOWN_MEMBER_ID' });
  const coordinator = { heartbeat: () => Promise.reject(forgotten) } as unknown as GroupCoordinator;
  const heart = new Heart(coordinator, { intervalMs: 10, sessionTimeoutMs: 60_000 }, performance.now(), async () => undefined);
  expect(heart.isInSession).toBe(true);
  await eventually(() => expect(heart.isInSession).toBe(false));
});
