/** An invoker whose key ring lacks a key that secrets are sealed with (guarantees.md §6). */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { unsigned } from '@cf/contract';
import { KeyRing } from '@cf/service-kit';
import { eventually } from '@cf/testing';
import { keyRing, RunningInvoker } from './running-invoker.js';

let invoker: RunningInvoker;
let orgId: string;
const other = KeyRing.parse(KeyRing.make('k2'));
beforeEach(async () => {
  invoker = await RunningInvoker.create();
  orgId = await invoker.addOrganization();
});
afterEach(() => invoker.stop());

const sealedWith = (ring: KeyRing, id: string) => ({ type: 'BearerToken', sealedToken: ring.seal('t', `${orgId}:${id}`) }) as const;

it('does not start, and names the key', async () => {
  const id = randomUUID();
  const api = await invoker.setApi(orgId, 'https://a.test', { id, authorization: sealedWith(keyRing, id) });
  const signing = { ...unsigned, previous: { sealedSecret: other.seal('s', `${orgId}:x`), expiresAt: '2999-01-01T00:00:00.000Z' } };
  await invoker.setFunction(api, { signing });
  await expect(invoker.startProcess()).rejects.toThrow('ENCRYPTION_KEYS: lacks k2, with which secrets are sealed');
});

it('starts when what was sealed with it has been sealed anew since', async () => {
  const id = randomUUID();
  await invoker.setApi(orgId, 'https://a.test', { id, authorization: sealedWith(other, id) });
  await invoker.setApi(orgId, 'https://a.test', { id, authorization: sealedWith(keyRing, id) });
  const { address } = await invoker.startProcess();
  expect((await fetch(`${address}/health/ready`)).status).toBe(200);
});

it('turns red when the key comes into use, and green when it goes', async () => {
  const { address } = await invoker.startProcess();
  const ready = async () => {
    const answer = await fetch(`${address}/health/ready`);
    return [answer.status, ((await answer.json()) as { parts: Record<string, { detail: string }> }).parts['encryption-keys']?.detail];
  };
  const id = randomUUID();
  await invoker.setApi(orgId, 'https://a.test', { id, authorization: sealedWith(other, id) });
  await eventually(async () => expect(await ready()).toEqual([503, 'ENCRYPTION_KEYS lacks k2']));
  await invoker.setApi(orgId, 'https://a.test', { id, authorization: { type: 'None' } });
  await eventually(async () => expect(await ready()).toEqual([200, 'all there']));
});
