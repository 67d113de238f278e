import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AddressGuard } from '@cf/service-kit';
import { CustomerHttp } from '../src/http/customer-http.js';
import { hostResolver } from '../src/http/resolve-host.js';
import { bodyCases } from './hostile/bodies.js';
import { framingCases } from './hostile/framing.js';
import { type HostileAnswer, type HostileCase, http } from './hostile/hostile-case.js';
import { HostileServer } from './hostile/hostile-server.js';
import { timingCases } from './hostile/timing.js';

/** Leaves the connection open behind whatever was written, which is what could hurt the next call. */
const keepingOpen = ({ answer = '' }: HostileCase): HostileAnswer =>
  typeof answer === 'function' ? answer : (socket: Socket) => void socket.write(answer);

const BUDGET_MS = 300;
const NEXT = http('{"returnValue":"next"}');
const hostile = [...framingCases, ...bodyCases, ...timingCases].map((one) => ({ ...one, answer: keepingOpen(one) }));

describe('the call after a hostile answer', () => {
  const server = new HostileServer([
    ...hostile,
    { name: 'next', answer: (socket) => void socket.write(NEXT), expected: { value: 'next' } },
  ]);
  const answers = new Map<HostileCase, string>();
  let client: CustomerHttp;

  /** One organization for each case: both of its calls share a pool, and no other case does. */
  const post = (index: number, of: number, budgetMs: number) => {
    const target = { origin: `http://127.0.0.2:${server.port}`, path: `/${index}/call`, headers: [], tls: null };
    return client.post({ orgId: String(of), target, headers: {}, body: '{}', budgetMs });
  };

  beforeAll(async () => {
    await server.start('127.0.0.2', []);
    const guard = new AddressGuard({ allowed: ['127.0.0.2/32'], denied: [] });
    const dialing = { guard, resolve: hostResolver({ servers: [] }), onRefused: () => undefined };
    client = new CustomerHttp({ dialing, connectionsMax: 1, poolsMax: 1_000 });
    await Promise.all(
      hostile.map(async (one, index) => {
        await post(index, index, BUDGET_MS);
        answers.set(one, (await post(hostile.length, index, 20_000)).body.bytes.toString());
      }),
    );
  });
  afterAll(async () => {
    await client.close();
    await server.close();
  });

  it.each(hostile.map((one) => [one.name, one] as const))('gets its own after %s', (_name, one) => {
    expect(answers.get(one)).toBe('{"returnValue":"next"}');
  });
});
