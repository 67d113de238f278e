/**
 * From `chat.events` to the customer's endpoint: trigger-matcher and invoker as processes, beside Restate with a subscription to the same topic and a
 * handler that makes the call in a durable step. Events a second as the endpoint sees them, and CPU time of all processes of a side.
 */
import { randomUUID } from 'node:crypto';
import { chatEvents, eventExample, flows, registryTriggers, type Trigger } from '@cf/contract';
import { Candidate } from './candidate.ts';
import { CONCURRENCY, together } from './contenders.ts';
import { publishAll } from './feed.ts';
import { round } from './figures.ts';
import { hasRestate, runRestate } from './peers/restate-peer.ts';
import { serviceEnv, writeRegistry } from './registry-fixture.ts';
import { forgetTopics, measureRate, mediansOf, openLog, type Rate, type Running, tellEndpoint, type Where } from './stage.ts';

type Side = 'ours' | 'restate';

const EVENTS: Record<Side, number> = { ours: 70_000, restate: 25_000 };
const WARM: Record<Side, number> = { ours: 15_000, restate: 4_000 };
const CHATS = 5_000;
const WARM_MS_MAX = 20_000;

export interface WholePathOptions {
  readonly where: Where;
  readonly rounds: number;
  readonly seconds: number;
}

const runOurs = (where: Where, prefix: string): Running => {
  const env = serviceEnv(where, prefix);
  const services = [
    Candidate.run('apps/trigger-matcher/dist/main.js', env),
    Candidate.run('apps/invoker/dist/main.js', { ...env, INVOKER_LANES: 'trigger', INVOKER_TRIGGER_CALLS_MAX: String(CONCURRENCY) }),
  ];
  return together(services, async () => void (await Promise.all(services.map((service) => service.stop('SIGKILL')))));
};

const measure = async (side: Side, { where, seconds }: WholePathOptions): Promise<Rate> => {
  const prefix = `path${Date.now()}.`;
  const names = flows.map(({ topic }) => topic).filter(({ cleanup }) => cleanup !== 'compact');
  const log = await openLog(
    where.brokers,
    prefix,
    names.map(({ name }) => name),
  );
  const { orgId, cloudFunctionIds } = await writeRegistry(log, where.target);
  const { name, messageBytesMax } = registryTriggers;
  await log.ensureTopics([{ name, partitions: 1, cleanup: 'compact', retentionMs: null, messageBytesMax }]);
  const trigger: Trigger = {
    ...(registryTriggers.example.resource as Trigger),
    id: randomUUID(),
    orgId,
    cloudFunctionId: cloudFunctionIds[0] ?? '',
    triggerEvents: [{ category: 'ChatStatus', filters: [{ property: 'EventType', operator: 'matches', values: ['ChatOpened'] }] }],
  };
  await publishAll(log, 1, () => ({
    topic: name,
    key: trigger.id,
    value: JSON.stringify({ type: 'trigger', id: trigger.id, version: 1, deleted: false, resource: trigger }),
  }));
  const chats = Array.from({ length: CHATS }, () => randomUUID());
  await publishAll(log, EVENTS[side], (index) => {
    const chatId = chats[index % CHATS] ?? '';
    return {
      topic: chatEvents.name,
      key: chatId,
      value: JSON.stringify({ ...eventExample('ChatOpened'), id: randomUUID(), orgId, chatId }),
    };
  });
  await log.close();
  await tellEndpoint(where.target, 'reset');
  const topic = prefix + chatEvents.name;
  const running =
    side === 'ours'
      ? runOurs(where, prefix)
      : await runRestate({ brokers: where.brokers, topic, target: where.target, concurrency: CONCURRENCY });
  try {
    const stage = { where, callable: EVENTS[side] };
    return await measureRate(stage, running, WARM[side], seconds * 1_000, WARM_MS_MAX);
  } finally {
    await running.stop();
    await forgetTopics(where.brokers, prefix);
  }
};

export const measureWholePath = async (options: WholePathOptions): Promise<object> => {
  const sides: Side[] = hasRestate() ? ['ours', 'restate'] : ['ours'];
  const rounds = new Map<Side, Rate[]>(sides.map((side) => [side, []]));
  for (let index = 0; index < options.rounds; index++) {
    for (const side of sides) {
      const rate = await measure(side, options);
      rounds.get(side)?.push(rate);
      process.stdout.write(`  round ${index + 1} ${side}: ${JSON.stringify(rate)}\n`);
    }
  }
  const medians = sides.map((side) => [side, mediansOf(rounds.get(side) ?? [])] as const);
  const [ours, restate] = medians.map(([, each]) => each);
  const ratio = (figure: 'callsPerSecond' | 'cpuUsPerCall'): number => round((ours?.[figure] ?? 0) / (restate?.[figure] ?? Number.NaN), 2);
  return {
    rounds: Object.fromEntries(rounds),
    medians: Object.fromEntries(medians),
    ratios: { 'ours to restate': { rate: ratio('callsPerSecond'), cpu: ratio('cpuUsPerCall') } },
  };
};
