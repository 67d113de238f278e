/**
 * What a test run shares: a folder for everything temporary, one Postgres and, when a selected spec needs it, one Kafka broker. A process of its own,
 * forked by the global set-up: when the run ends, is interrupted or is killed, the channel to it closes, and it stops both, and every other
 * embedded Postgres that a broken-off spec left below the folder, and removes the folder.
 */
import { chmodSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@cf/persistence';
import { KafkaUnavailable, startKafkaBroker } from '../kafka-broker.js';

/** Sent to the set-up once, as environment of the specs. */
export type SharedServices = Record<'TMPDIR' | 'CF_TEST_DATABASE_URL' | 'CF_TEST_KAFKA' | 'CF_TEST_KAFKA_MISSING', string>;

const folder = mkdtempSync(join(tmpdir(), 'cf-test-'));
// Open to all users, as the system's own: some specs run programs as others.
chmodSync(folder, 0o1777);

const startPostgres = async (): Promise<{ url: string; stop: () => Promise<void> }> => {
  const given = process.env['TEST_DATABASE_URL'];
  if (given) return { url: given, stop: () => Promise.resolve() };
  return startEmbeddedPostgres({ dataDir: join(folder, 'shared'), durable: false });
};

const startKafka = async (): Promise<{ address: string; missing: string; stop: () => Promise<void> }> => {
  const nothing = { address: '', stop: () => Promise.resolve() };
  if (process.argv[2] !== 'kafka') return { ...nothing, missing: 'no selected spec was found to need it, or CF_TEST_NO_KAFKA is set' };
  try {
    const broker = await startKafkaBroker();
    return { address: broker.address, missing: '', stop: () => broker.stop() };
  } catch (error) {
    if (error instanceof KafkaUnavailable) return { ...nothing, missing: error.message };
    throw error;
  }
};

const removeFolder = (): void => {
  for (const file of globSync(join(folder, '*/{,*/,*/*/}postgres/postmaster.pid'))) {
    try {
      process.kill(Number(readFileSync(file, 'utf8').split('\n')[0]), 'SIGQUIT');
    } catch {
      // It ended in this very moment.
    }
  }
  // A Postgres that ends writes a little longer.
  rmSync(folder, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
};

let over = (): void => undefined;
const disconnected = new Promise<void>((resolve) => (over = resolve));
process.on('disconnect', () => over());
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

const [postgres, kafka] = await Promise.allSettled([startPostgres(), startKafka()]);
if (postgres.status === 'fulfilled' && kafka.status === 'fulfilled') {
  const services: SharedServices = {
    TMPDIR: folder,
    CF_TEST_DATABASE_URL: postgres.value.url,
    CF_TEST_KAFKA: kafka.value.address,
    CF_TEST_KAFKA_MISSING: kafka.value.missing,
  };
  if (process.connected) process.send?.(services);
  await disconnected;
} else {
  const reason: unknown = postgres.status === 'rejected' ? postgres.reason : kafka.status === 'rejected' ? kafka.reason : null;
  if (process.connected) process.send?.({ error: reason instanceof Error ? (reason.stack ?? reason.message) : String(reason) });
}
for (const started of [postgres, kafka]) if (started.status === 'fulfilled') await started.value.stop();
removeFolder();
process.exit(0);
