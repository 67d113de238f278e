/**
 * The service that records, with its log, in a process of its own, so that no measurement pays for what an earlier one left in memory. It
 * records as many invocations as its parent asks for, and tells what that took.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { flows, stepInvocationResults, stepResults, triggerInvocationResults } from '@cf/contract';
import { ExecutionsModule } from '@cf/executions';
import { EmbeddedLog, type Publisher } from '@cf/messaging';
import { createLogger, readPlatform, runApplication } from '@cf/service-kit';
import { Load } from './recorder-load.ts';

/** Invocations that are made at once: the beginning and the end of their recording are a small part of it, and little enough for memory. */
const AT_ONCE = 100_000;
/** Records that wait to be appended; the log refuses more than some 75,000. */
const PUBLISHED_AT_ONCE = 10_000;
const TICK_MS = 10;

/** What recording took, the making of the messages left out. */
export interface Took {
  readonly ms: number;
  readonly nodeMs: number;
}

const nodeCpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

/** Publishes so many invocations; resolves when all of them are recorded. The making of their messages is not measured. */
const recordAll = async (log: EmbeddedLog, publisher: Publisher, load: Load, count: number): Promise<Took> => {
  let [ms, nodeMs] = [0, 0];
  for (let left = count; left > 0; left -= AT_ONCE) {
    const records = Array.from({ length: Math.min(AT_ONCE, left) }, () => load.next()).flat();
    const [startedAt, cpuBefore] = [performance.now(), nodeCpuMs()];
    for (let at = 0; at < records.length; at += PUBLISHED_AT_ONCE) {
      const some = records.slice(at, at + PUBLISHED_AT_ONCE);
      await Promise.all(some.map(({ topic, key, value }) => publisher.publish({ topic, key, value, headers: {} })));
    }
    for (const topic of [triggerInvocationResults.name, stepInvocationResults.name, stepResults.name]) {
      const ends = await log.endOffsets(topic);
      const done = async (): Promise<boolean> => {
        const committed = await log.committedOffsets('executions', topic);
        return ends.every((end, partition) => (committed[partition] ?? 0) >= end);
      };
      while (!(await done())) await pause(TICK_MS);
    }
    ms += performance.now() - startedAt;
    nodeMs += nodeCpuMs() - cpuBefore;
  }
  return { ms, nodeMs };
};

const log = EmbeddedLog.inMemory();
await log.start();
await log.ensureTopics(
  flows.map(({ topic }) => ({
    name: topic.name,
    partitions: topic.partitions === 'one' ? 1 : 4,
    cleanup: topic.cleanup,
    retentionMs: 60_000,
    messageBytesMax: topic.messageBytesMax,
  })),
);
const platform = readPlatform({ port: 0, needs: 'nothing' }, { NODE_ENV: 'test', DATABASE_URL: process.argv[2], LOG_LEVEL: 'error' });
const service = await runApplication([ExecutionsModule], platform, log, createLogger('executions', 'error'));
const publisher = log.createPublisher('bench', 'trigger');
const load = new Load();

process.on('message', (count: number) => {
  void recordAll(log, publisher, load, count).then((took) => process.send?.(took));
});
process.once('disconnect', () => {
  void publisher
    .close()
    .then(() => service.stop())
    .then(() => log.close())
    .finally(() => process.exit());
});
process.send?.('ready');
