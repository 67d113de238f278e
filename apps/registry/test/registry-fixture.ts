import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { flows, type RegistryChange, registryChanges, registryTriggers, type TriggerChange } from '@cf/contract';
import { EmbeddedLog, type LogReader, type MessageLog, type OutgoingRecord, PublishError, type Publisher } from '@cf/messaging';
import { createLogger, readPlatform, runApplication } from '@cf/service-kit';
import { createTestDatabase, type TestDatabase } from '@cf/testing';
import { RegistryModule } from '../src/registry.module.js';

interface TopicRecord {
  readonly key: string;
  readonly value: string | null;
}

/** Real: HTTP, Postgres, the registry. The log is the embedded one over memory; `reachable` stands for the way to the broker. */
export class TestLog {
  reachable = true;
  private readonly history = new Map<string, { reader: LogReader; records: TopicRecord[] }>();
  readonly embedded = EmbeddedLog.inMemory();
  readonly log: MessageLog = new Proxy<MessageLog>(this.embedded, {
    get: (log, name) => {
      if (name === 'createPublisher')
        return (...args: Parameters<MessageLog['createPublisher']>) => this.gated(log.createPublisher(...args));
      const member: unknown = Reflect.get(log, name, log);
      return typeof member === 'function' ? (member.bind(log) as unknown) : member;
    },
  });

  async start(): Promise<void> {
    await this.embedded.start();
    const specs = flows.map(({ topic }) => ({
      name: topic.name,
      partitions: 1,
      cleanup: topic.cleanup,
      retentionMs: null,
      messageBytesMax: topic.messageBytesMax,
    }));
    await this.embedded.ensureTopics(specs);
    [registryChanges, registryTriggers].forEach(({ name }) => this.follow(name));
  }

  /** Everything that was ever appended to a topic, oldest first. */
  async records(topic: string): Promise<readonly TopicRecord[]> {
    const { reader, records } = this.history.get(topic) ?? this.follow(topic);
    await reader.reached(await this.embedded.endOffsets(topic), 5_000);
    return records;
  }

  async changesOf(id: string): Promise<(RegistryChange | TriggerChange | null)[]> {
    const records = [...(await this.records(registryChanges.name)), ...(await this.records(registryTriggers.name))];
    return records.filter(({ key }) => key === id).map(({ value }) => (value === null ? null : (JSON.parse(value) as RegistryChange)));
  }

  private follow(topic: string): { reader: LogReader; records: TopicRecord[] } {
    const records: TopicRecord[] = [];
    const reader = this.embedded.read({
      topic,
      from: 'beginning',
      onRecords: (_partition, batch) => {
        for (const { key, value } of batch) records.push({ key: key?.toString() ?? '', value: value?.toString() ?? null });
      },
    });
    const followed = { reader, records };
    this.history.set(topic, followed);
    return followed;
  }

  /** Writes past the registry, as a relay that lost its lock would. */
  async publish(record: OutgoingRecord): Promise<void> {
    const publisher = this.embedded.createPublisher('test', 'step');
    await publisher.publish(record);
    await publisher.close();
  }

  private gated(publisher: Publisher): Publisher {
    return {
      publish: (record) =>
        this.reachable ? publisher.publish(record) : Promise.reject(new PublishError('log_away', 'the broker is away', true)),
      close: () => publisher.close(),
    };
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // Answers are JSON of any shape; assertions say which.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
  readonly etag: string;
}

export interface CallOptions {
  readonly body?: unknown;
  readonly token?: string | null;
  readonly ifMatch?: string;
  readonly idempotencyKey?: string;
}

export const OPERATOR = 'operator-token-of-this-test';

/** Calls the API and reads its JSON. */
export const caller =
  (address: string) =>
  async (method: string, path: string, { body, token = OPERATOR, ifMatch, idempotencyKey }: CallOptions = {}): Promise<Answer> => {
    const response = await fetch(`${address}${path}`, {
      method,
      headers: {
        ...(token !== null && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(ifMatch !== undefined && { 'if-match': ifMatch }),
        ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? null : JSON.parse(text),
      etag: response.headers.get('etag') ?? '',
    };
  };

export interface Registry {
  readonly address: string;
  readonly call: ReturnType<typeof caller>;
  readonly keyRing: ReturnType<typeof readPlatform>['keyRing'];
  stop(): Promise<void>;
}

const dataDir = mkdtempSync(join(tmpdir(), 'cf-registry-'));
process.on('exit', () => rmSync(dataDir, { recursive: true, force: true }));

export const startRegistry = async (database: TestDatabase, log: MessageLog, env: Record<string, string> = {}): Promise<Registry> => {
  const platform = readPlatform(
    { port: 0, needs: 'nothing' },
    {
      NODE_ENV: 'test',
      PORT: '0',
      DATA_DIR: dataDir,
      DATABASE_URL: database.url,
      OPERATOR_TOKEN: OPERATOR,
      LOG_LEVEL: process.env['TEST_LOG_LEVEL'] ?? 'fatal',
      ...env,
    },
  );
  const { address, stop } = await runApplication(
    [RegistryModule],
    platform,
    log,
    createLogger('registry', process.env['TEST_LOG_LEVEL'] ?? 'fatal'),
  );
  return { address, call: caller(address), keyRing: platform.keyRing, stop };
};

export interface RegistryWorld extends Registry {
  readonly database: TestDatabase;
  readonly log: TestLog;
  end(): Promise<void>;
}

/** A registry of its own for one spec file. */
export const startWorld = async (env: Record<string, string> = {}): Promise<RegistryWorld> => {
  const database = await createTestDatabase();
  const log = new TestLog();
  await log.start();
  const registry = await startRegistry(database, log.log, env);
  const end = async (): Promise<void> => {
    await registry.stop();
    await log.embedded.close();
    await database.drop();
  };
  return { ...registry, database, log, end };
};

/** A new organization with one API, one function and one trigger; each is the resource as it was answered. */
export const seedOrganization = async ({ call }: Pick<Registry, 'call'>) => {
  const organization = (await call('POST', '/v1/organizations', { body: { name: `Clinic ${randomUUID()}`, cloudFunctionsEnabled: true } }))
    .body;
  const path = `/v1/orgs/${organization.id as string}`;
  const api = (await call('POST', `${path}/registered-apis`, { body: { name: 'Scheduler', baseUrl: 'https://api.example.com/v1' } })).body;
  const fn = (
    await call('POST', `${path}/cloud-functions`, { body: { name: 'Schedule', registeredApiId: api.id, endpointUrl: 'schedule' } })
  ).body;
  const triggerBody = { name: 'Opened', cloudFunctionId: fn.id, triggerEvents: [{ category: 'ChatStatus' }] };
  const trigger = (await call('POST', `${path}/triggers`, { body: triggerBody })).body;
  return { orgId: organization.id as string, path, api, fn, trigger };
};
