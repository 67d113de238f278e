import { randomUUID } from 'node:crypto';
import { plainTls, registryChanges, type RegistryChange, sameId, unsigned } from '@cf/contract';
import type { MessageLog } from '@cf/messaging';
import { KeyRing } from '@cf/service-kit';
import { publishAll } from './feed.ts';

const ENCRYPTION_KEYS = KeyRing.make();

export interface BenchCustomer {
  readonly orgId: string;
  /** One for each endpoint URL, in its order. */
  readonly cloudFunctionIds: readonly string[];
}

/** Settings of a service process under measurement. */
export const serviceEnv = (
  where: { brokers: string; databaseUrl: string; dataDir: string },
  topicPrefix: string,
): Record<string, string> => ({
  NODE_ENV: 'test',
  PORT: '0',
  DATA_DIR: where.dataDir,
  DATABASE_URL: where.databaseUrl,
  KAFKA_BROKERS: where.brokers,
  KAFKA_TOPIC_PREFIX: topicPrefix,
  OPERATOR_TOKEN: 'bench-operator-token-0123456789',
  ENCRYPTION_KEYS,
  LOG_LEVEL: 'error',
});

/** One organization with these functions at the endpoint, told to services the way the registry does. */
export const writeRegistry = async (
  log: MessageLog,
  target: string,
  endpointUrls: readonly string[] = ['ok'],
  { signed = false, maxConcurrency = 1_000, timeoutMs = 10_000 }: { signed?: boolean; maxConcurrency?: number; timeoutMs?: number } = {},
): Promise<BenchCustomer> => {
  const [orgId, registeredApiId] = [randomUUID(), randomUUID()];
  const cloudFunctionIds = endpointUrls.map(() => randomUUID());
  const keys = KeyRing.parse(ENCRYPTION_KEYS);
  const seal = (id: string): string => keys.seal('a secret of the benchmark', `${sameId(orgId)}:${sameId(id)}`);
  const changes: RegistryChange[] = [
    {
      type: 'organization',
      id: orgId,
      version: 1,
      deleted: false,
      resource: { id: orgId, name: 'Bench', cloudFunctionsEnabled: true, retentionDays: 30 },
    },
    {
      type: 'registered-api',
      id: registeredApiId,
      version: 1,
      deleted: false,
      resource: {
        id: registeredApiId,
        orgId,
        name: 'Endpoint',
        baseUrl: target,
        isReadOnly: false,
        headers: [],
        authorization: { type: 'Basic', username: 'bench', sealedPassword: seal(registeredApiId) },
        tls: plainTls,
      },
    },
    ...cloudFunctionIds.map(
      (id, index): RegistryChange => ({
        type: 'cloud-function',
        id,
        version: 1,
        deleted: false,
        resource: {
          id,
          orgId,
          name: 'Answer',
          registeredApiId,
          endpointUrl: endpointUrls[index] ?? '',
          branchOptions: ['yes'],
          enabled: true,
          timeoutMs,
          maxConcurrency,
          signing: signed ? { ...unsigned, enabled: true, sealedSecret: seal(id) } : unsigned,
          triggersPaused: false,
          circuitResetAt: null,
        },
      }),
    ),
  ];
  await log.ensureTopics([
    { name: registryChanges.name, partitions: 1, cleanup: 'compact', retentionMs: null, messageBytesMax: registryChanges.messageBytesMax },
  ]);
  await publishAll(log, changes.length, (index) => {
    const change = changes[index];
    return { topic: registryChanges.name, key: change?.id ?? null, value: JSON.stringify(change) };
  });
  return { orgId, cloudFunctionIds };
};
