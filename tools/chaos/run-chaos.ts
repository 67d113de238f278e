/**
 * Services as processes on Kafka and Postgres, a steady stream of events whose endpoint fails as planned, and `kill -9` of `executions`,
 * Postgres and the broker in a random order all the while. What happened is left in a folder for the checker.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { EventType, TriggerCategory } from '@cf/contract';
import { startEmbeddedPostgres } from '@cf/persistence';
import { persistently } from '../../apps/e2e/test/harness/calls.js';
import { Fleet } from '../../apps/e2e/test/harness/fleet.js';
import { Program } from '../../apps/e2e/test/harness/processes.js';
import { Tenant } from '../../apps/e2e/test/harness/tenant.js';
import type { ListedExecution } from '../checker/check-calls.js';
import { addFacts, readFacts } from '../checker/facts-folder.js';
import { startKafkaBroker } from '../kafka-broker.js';
import { traceEvents } from './trace-events.js';

const KINDS = ['executions', 'postgres', 'broker'] as const;
type Kind = (typeof KINDS)[number];

/** Functions of their own, so that the load is not one function's. */
const TRIGGERS: readonly [EventType, TriggerCategory][] = [
  ['MessagePosted', 'MessagePosted'],
  ['ChatOpened', 'ChatStatus'],
  ['ChatContextUpdated', 'ChatContext'],
  ['SmsSubscribed', 'Subscriptions'],
];

const SERVICES = ['registry', 'trigger-matcher', 'invoker', 'executions', 'gateway'];

const AWAY_MS_MAX = 120_000;
const PAGE = 100;

export interface ChaosOptions {
  /** Where the facts go. */
  readonly folder: string;
  readonly triggers: number;
  readonly perSecond: number;
  /** Each kind comes once in every round; the pauses between faults are random up to this. */
  readonly faultEveryMs: number;
  readonly say?: (text: string) => void;
}

export const runChaos = async ({ folder, triggers, perSecond, faultEveryMs, say = () => undefined }: ChaosOptions): Promise<void> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'cf-chaos-'));
  for (const name of ['sent', 'accepted', 'calls', 'executions', 'faults'] as const) addFacts(folder, name, []);
  const [broker, postgres, endpoint] = await Promise.all([
    startKafkaBroker(),
    startEmbeddedPostgres({ dataDir }),
    Program.start('tools/chaos/endpoint.ts', {}, 30_000, undefined, [folder]),
  ]);
  const fleet = new Fleet(broker.address, postgres.url);
  try {
    for (const name of SERVICES) await fleet.start(name);
    const tenant = await Tenant.create(fleet.operator);
    for (const [, category] of TRIGGERS) await tenant.createTrigger(await tenant.createFunction(endpoint.address, category), category);

    const faults: Readonly<Record<Kind, () => Promise<void>>> = {
      executions: async () => {
        await fleet.kill9('executions');
        await fleet.start('executions');
      },
      postgres: async () => {
        process.kill(Number(readFileSync(join(dataDir, 'postgres/postmaster.pid'), 'utf8').split('\n')[0]), 'SIGKILL');
        await pause(Math.random() * 1_000);
      },
      broker: async () => {
        await broker.kill();
        await broker.restart();
      },
    };

    let sending = true;
    const load = send(folder, tenant, triggers, perSecond).finally(() => (sending = false));
    for (let round: Kind[] = []; sending || round.length > 0; ) {
      if (round.length === 0) round = [...KINDS];
      await pause(Math.random() * faultEveryMs);
      const [kind] = round.splice(Math.floor(Math.random() * round.length), 1) as [Kind];
      say(`kill -9 of ${kind}`);
      addFacts(folder, 'faults', [{ kind, at: new Date().toISOString() }]);
      await faults[kind]();
    }
    await load;
    say('all is sent; waiting until nothing is on its way');
    const executions = await withUnanswered(tenant, folder, await settled(tenant, folder));
    addFacts(folder, 'executions', executions);
    const recorded = new Set(executions.map(({ event }) => event?.id));
    const lost = readFacts(folder).accepted.filter((id) => !recorded.has(id));
    if (lost.length > 0) await traceEvents(broker.address, fleet.topicPrefix, lost, join(folder, 'lost.jsonl'));
  } finally {
    for (const name of SERVICES) writeFileSync(join(folder, `${name}.log`), fleet.outputOf(name));
    await Promise.allSettled([fleet.close(), endpoint.stop()]);
    await Promise.allSettled([postgres.stop(), broker.stop()]);
    rmSync(dataDir, { recursive: true, force: true });
  }
};

/** Sends events at a steady rate; each batch again until it is acknowledged, as a platform does. */
const send = async (folder: string, tenant: Tenant, triggers: number, perSecond: number): Promise<void> => {
  const batchMax = Math.max(1, Math.round(perSecond / 10));
  for (let sent = 0; sent < triggers; sent += batchMax) {
    const startedAt = performance.now();
    const batch = Array.from({ length: Math.min(batchMax, triggers - sent) }, (_, index) =>
      tenant.event(TRIGGERS[(sent + index) % TRIGGERS.length]![0], { id: randomUUID() }),
    );
    const ids = batch.map(({ id }) => id);
    addFacts(folder, 'sent', ids);
    await persistently(
      () => tenant.sendEvents(batch),
      ({ status }) => status === 202,
      AWAY_MS_MAX,
    );
    addFacts(folder, 'accepted', ids);
    await pause(Math.max(0, 100 - (performance.now() - startedAt)));
  }
};

/** All executions, once everything that was accepted is there and none is on its way; as they are when that does not come. */
const settled = async (tenant: Tenant, folder: string): Promise<ListedExecution[]> => {
  const { accepted } = readFacts(folder);
  const giveUpAt = Date.now() + AWAY_MS_MAX + accepted.length;
  for (;;) {
    const open = await persistently(
      async () => (await Promise.all(['queued', 'retrying'].map((status) => tenant.executions(`?status=${status}&limit=1`)))).flat(),
      () => true,
      AWAY_MS_MAX,
    );
    if (open.length === 0 || Date.now() > giveUpAt) {
      const executions = await listAll(tenant);
      const recorded = new Set(executions.map(({ event }) => event?.id));
      if (accepted.every((id) => recorded.has(id)) || Date.now() > giveUpAt) return executions;
    }
    await pause(500);
  }
};

/** Where more attempts are recorded than the endpoint saw, how many of them got no answer. */
const withUnanswered = async (tenant: Tenant, folder: string, executions: readonly ListedExecution[]): Promise<ListedExecution[]> => {
  const calls = new Map<string, number>();
  for (const { invocationId } of readFacts(folder).calls) calls.set(invocationId, (calls.get(invocationId) ?? 0) + 1);
  return Promise.all(
    executions.map(async (execution) => {
      if (execution.attemptCount <= (calls.get(execution.invocationId) ?? 0)) return execution;
      const { attempts = [] } = await tenant.execution(execution.invocationId);
      return { ...execution, unanswered: attempts.filter(({ httpStatus }) => httpStatus === null).length };
    }),
  );
};

const listAll = async (tenant: Tenant): Promise<ListedExecution[]> => {
  const all: ListedExecution[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const path: string = tenant.path(`executions?limit=${PAGE}${cursor === '' ? '' : `&cursor=${cursor}`}`);
    const { body } = await tenant.api.get<{ data: ListedExecution[]; nextCursor: string | null }>(path);
    all.push(
      ...body.data.map(({ invocationId, event, status, attemptCount, nextAttemptAt }) => ({
        invocationId,
        event,
        status,
        attemptCount,
        nextAttemptAt,
      })),
    );
    cursor = body.nextCursor;
  }
  return all;
};
