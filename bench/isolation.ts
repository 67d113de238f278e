/** What a dead function does to others: 20 functions at a steady rate on the trigger lane, all well, then one of them hanging; times from publish to result of the other 19. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type InvocationResult, triggerInvocationRequests, triggerInvocationResults } from '@cf/contract';
import { KafkaLog } from '@cf/messaging';
import { Candidate } from './candidate.ts';
import { quantile, round } from './figures.ts';
import { serviceEnv, writeRegistry } from './registry-fixture.ts';

const FUNCTIONS = 20;
const PER_SECOND = 400;
const SECONDS = { warm: 8, measured: 20 } as const;

export interface IsolationOptions {
  readonly brokers: string;
  readonly databaseUrl: string;
  readonly dataDir: string;
  readonly target: string;
}

interface Latency {
  readonly answered: number;
  readonly of: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const measure = async (options: IsolationOptions, deadPath: string): Promise<Latency> => {
  const prefix = `isolation${Date.now()}.`;
  const log = new KafkaLog({ brokers: [options.brokers], clientId: 'bench', topicPrefix: prefix });
  await log.start();
  const spec = { partitions: 12, cleanup: 'delete', retentionMs: null, messageBytesMax: 2 * 1024 * 1024 } as const;
  await log.ensureTopics([triggerInvocationRequests, triggerInvocationResults].map(({ name }) => ({ ...spec, name })));
  const paths = Array.from({ length: FUNCTIONS }, (_, index) => (index === 0 ? deadPath : 'ok'));
  const { orgId, cloudFunctionIds } = await writeRegistry(log, options.target, paths);
  const invoker = Candidate.run('apps/invoker/dist/main.js', { ...serviceEnv(options, prefix), INVOKER_LANES: 'trigger' });
  const sentAt = new Map<string, number>();
  const latencies: number[] = [];
  let measured = false;
  try {
    await invoker.ready;
    const reader = log.read({
      topic: triggerInvocationResults.name,
      from: 'beginning',
      onRecords: (_partition, records) => {
        for (const { value } of records) {
          const { request } = JSON.parse(String(value)) as InvocationResult;
          const at = sentAt.get(request.invocationId);
          sentAt.delete(request.invocationId);
          if (at !== undefined && measured) latencies.push(performance.now() - at);
        }
      },
    });
    await reader.positioned;
    const publisher = log.createPublisher('drive');
    const startedAt = performance.now();
    const count = PER_SECOND * (SECONDS.warm + SECONDS.measured);
    let of = 0;
    for (let sent = 0; sent < count; await pause(1)) {
      measured = performance.now() - startedAt > SECONDS.warm * 1_000;
      for (const due = Math.min(count, Math.floor(((performance.now() - startedAt) / 1_000) * PER_SECOND)); sent < due; sent++) {
        const [invocationId, chatId] = [randomUUID(), randomUUID()];
        const cloudFunctionId = cloudFunctionIds[sent % FUNCTIONS] ?? '';
        if (sent % FUNCTIONS !== 0) {
          sentAt.set(invocationId, performance.now());
          if (measured) of++;
        }
        const acceptedAt = new Date().toISOString();
        const request = {
          ...triggerInvocationRequests.example,
          invocationId,
          orgId,
          cloudFunctionId,
          chatId,
          acceptedAt,
          configOffset: null,
        };
        const headers = { 'org-id': orgId, 'function-id': cloudFunctionId, 'invocation-id': invocationId, seq: '0', 'chat-id': chatId };
        void publisher.publish({ topic: triggerInvocationRequests.name, key: chatId, value: JSON.stringify(request), headers });
      }
    }
    for (const giveUpAt = Date.now() + 5_000; sentAt.size > 0 && Date.now() < giveUpAt; ) await pause(50);
    await Promise.all([reader.close(), publisher.close()]);
    return { answered: latencies.length, of, p50Ms: round(quantile(latencies, 0.5)), p99Ms: round(quantile(latencies, 0.99)) };
  } finally {
    await invoker.stop('SIGKILL');
    await log.close();
  }
};

export const measureIsolation = async (options: IsolationOptions): Promise<object> => {
  const allWell = await measure(options, 'ok');
  const oneDead = await measure(options, 'hang');
  process.stdout.write(
    `  the others: p50 ${allWell.p50Ms} ms, p99 ${allWell.p99Ms} ms; beside a dead one p50 ${oneDead.p50Ms} ms, p99 ${oneDead.p99Ms} ms\n`,
  );
  return { functions: FUNCTIONS, perSecond: PER_SECOND, allWell, oneDead, ratioP99: round(oneDead.p99Ms / allWell.p99Ms, 2) };
};
