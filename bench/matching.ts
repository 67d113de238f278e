/**
 * Trigger matching: events a second and CPU an event with 1,000 to 1,000,000 triggers, boot time and memory of the matcher with them. Each
 * organization has 100 triggers in six categories, most with a filter; an event fires one. Real Kafka, the matcher as a process, requests published.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import {
  chatEvents,
  eventExample,
  registryChanges,
  registryTriggers,
  type Trigger,
  triggerCategory,
  triggerInvocationRequests,
} from '@cf/contract';
import { KafkaLog, type OutgoingRecord } from '@cf/messaging';
import { Candidate } from './candidate.ts';
import { publishAll } from './feed.ts';
import { round } from './figures.ts';
import { serviceEnv } from './registry-fixture.ts';

const TRIGGERS_OF_ORGANIZATION = 100;
const EVENTS = { warm: 5_000, measured: 30_000 } as const;

export interface MatchingOptions {
  readonly brokers: string;
  readonly databaseUrl: string;
  readonly dataDir: string;
  readonly sizes: readonly number[];
}

/** The first trigger of an organization takes every opened chat; the others wait for a topic that no event has, or for another category. */
const triggerAt = (orgId: string, index: number): Trigger => ({
  ...(registryTriggers.example.resource as Trigger),
  id: randomUUID(),
  orgId,
  cloudFunctionId: orgId,
  triggerEvents: [
    index === 0
      ? { category: 'ChatStatus', filters: [{ property: 'EventType', operator: 'matches', values: ['ChatOpened'] }] }
      : {
          category: triggerCategory.options[index % triggerCategory.options.length] ?? 'ChatStatus',
          filters: [{ property: 'Topic', operator: 'matches', values: [randomUUID()] }],
        },
  ],
});

const measureSize = async (triggers: number, options: MatchingOptions): Promise<object> => {
  const prefix = `match${Date.now()}.`;
  const log = new KafkaLog({ brokers: [options.brokers], clientId: 'bench', topicPrefix: prefix });
  await log.start();
  const ensured = [registryChanges, registryTriggers, chatEvents, triggerInvocationRequests].map(({ name, cleanup, messageBytesMax }) => ({
    name,
    cleanup,
    messageBytesMax,
    retentionMs: null,
    partitions: cleanup === 'compact' ? 1 : 12,
  }));
  await log.ensureTopics(ensured);
  const organizations = Array.from({ length: Math.max(1, triggers / TRIGGERS_OF_ORGANIZATION) }, () => randomUUID());
  const orgOf = (index: number): string => organizations[index % organizations.length] ?? '';
  await publishAll(log, organizations.length, (index) => {
    const resource = { id: orgOf(index), name: 'Bench', cloudFunctionsEnabled: true, retentionDays: 30 };
    return {
      topic: registryChanges.name,
      key: resource.id,
      value: JSON.stringify({ type: 'organization', id: resource.id, version: 1, deleted: false, resource }),
    };
  });
  await publishAll(log, triggers, (index) => {
    const resource = triggerAt(orgOf(index), Math.floor(index / organizations.length));
    return {
      topic: registryTriggers.name,
      key: resource.id,
      value: JSON.stringify({ type: 'trigger', id: resource.id, version: 1, deleted: false, resource }),
    };
  });

  const startedAt = performance.now();
  const matcher = Candidate.run('apps/trigger-matcher/dist/main.js', {
    ...serviceEnv(options, prefix),
    NODE_OPTIONS: '--max-old-space-size=8192',
  });
  try {
    await matcher.ready;
    const bootMs = performance.now() - startedAt;
    const rssMiB = matcher.rssMiB();
    const requests = async (): Promise<number> => (await log.endOffsets(triggerInvocationRequests.name)).reduce((sum, end) => sum + end, 0);
    const until = async (count: number): Promise<void> => {
      for (const giveUpAt = Date.now() + 180_000; (await requests()) < count; await pause(20)) {
        if (Date.now() > giveUpAt) throw new Error(`only ${await requests()} of ${count} events were matched`);
      }
    };
    const event = (index: number): OutgoingRecord => {
      const chatId = randomUUID();
      const value = { ...eventExample('ChatOpened'), id: randomUUID(), orgId: orgOf(index * 7_919), chatId };
      return { topic: chatEvents.name, key: chatId, value: JSON.stringify(value) };
    };
    await publishAll(log, EVENTS.warm, event);
    await until(EVENTS.warm);
    const [beganAt, cpuBefore] = [performance.now(), matcher.cpuMs()];
    await publishAll(log, EVENTS.measured, event);
    await until(EVENTS.warm + EVENTS.measured);
    const seconds = (performance.now() - beganAt) / 1_000;
    const cpuUsPerEvent = cpuBefore === null ? null : round((((matcher.cpuMs() ?? 0) - cpuBefore) * 1_000) / EVENTS.measured, 0);
    return { triggers, bootMs: round(bootMs, 0), rssMiB, eventsPerSecond: round(EVENTS.measured / seconds, 0), cpuUsPerEvent };
  } finally {
    await matcher.stop();
    await log.close();
  }
};

export const measureMatching = async (options: MatchingOptions): Promise<object[]> => {
  const results: object[] = [];
  for (const triggers of options.sizes) {
    const result = await measureSize(triggers, options);
    process.stdout.write(`  ${JSON.stringify(result)}\n`);
    results.push(result);
  }
  return results;
};
