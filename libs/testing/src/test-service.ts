import { createHash, randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import type { Type } from '@nestjs/common';
import {
  accessTokenText,
  flows,
  registryChanges,
  registryTriggers,
  type CloudFunction,
  type MessageOf,
  type Organization,
  type Scope,
  type Topic,
  type Trigger,
} from '@cf/contract';
import { EmbeddedLog, MemoryStorage, MessagePublisher, type LogRecord, type MessageLog, type Publisher } from '@cf/messaging';
import { createLogger, readPlatform, runApplication, type RunningApplication } from '@cf/service-kit';

/** Two, so that nothing works by the order of one partition. */
const PARTITIONS = 2;
const OPERATOR_TOKEN = 'operator-token-of-this-test';

export interface TestServiceOptions {
  /** Of single topics; two where the topic does not say one. */
  readonly partitions?: Readonly<Partial<Record<Topic['name'], number>>>;
  /** Where the log keeps its records; one of the spec's own can be taken away. */
  readonly storage?: MemoryStorage;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // The shape of an answer is what the specs are about.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
}

/** The same object with one method replaced. */
const replacing = <T extends object, Name extends keyof T>(target: T, replaced: Name, method: T[Name]): T =>
  new Proxy(target, {
    get: (original, name) => {
      const member: unknown = name === replaced ? method : Reflect.get(original, name, original);
      return typeof member === 'function' ? (member.bind(original) as unknown) : member;
    },
  });

/** A log whose groups commit nothing: whoever takes over finds what a `kill -9` would have left. */
const withoutCommits = (log: MessageLog): MessageLog =>
  replacing(log, 'join', async (options) => replacing(await log.join(options), 'commit', async () => undefined));

/**
 * One service with HTTP on a free port, on a log in memory that outlives it. Real: everything of the service and the log's engine.
 * Specs speak to it through topics and HTTP and play the services around it.
 */
export class TestService {
  private readonly raw: Publisher;
  private readonly publisher: MessagePublisher;
  private versions = 0;
  private service: RunningApplication | null = null;

  private constructor(
    private readonly module: Type,
    readonly log: EmbeddedLog,
  ) {
    this.raw = log.createPublisher('test', 'step');
    this.publisher = new MessagePublisher(this.raw);
  }

  /** The log alone, with all topics; `start` runs the service. */
  static async create(module: Type, { partitions = {}, storage = new MemoryStorage() }: TestServiceOptions = {}): Promise<TestService> {
    const log = new EmbeddedLog(storage);
    await log.start();
    await log.ensureTopics(
      flows.map(({ topic }) => ({
        name: topic.name,
        partitions: partitions[topic.name] ?? (topic.partitions === 'one' ? 1 : PARTITIONS),
        cleanup: topic.cleanup,
        retentionMs: topic.retentionMs,
        messageBytesMax: topic.messageBytesMax,
      })),
    );
    return new TestService(module, log);
  }

  /** `commits: false` runs it so that its stop leaves the log as a crash would. */
  async start({ commits = true, databaseUrl }: { commits?: boolean; databaseUrl?: string } = {}): Promise<void> {
    const platform = readPlatform(
      { port: 0, needs: 'nothing' },
      { NODE_ENV: 'test', PORT: '0', OPERATOR_TOKEN, DATA_DIR: tmpdir(), DATABASE_URL: databaseUrl, LOG_LEVEL: 'fatal' },
    );
    this.service = await runApplication(
      [this.module],
      platform,
      commits ? this.log : withoutCommits(this.log),
      createLogger('test', 'fatal'),
    );
  }

  async stop(): Promise<void> {
    await this.service?.stop();
    this.service = null;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.log.close();
  }

  get address(): string {
    if (this.service === null) throw new Error('the service does not run');
    return this.service.address;
  }

  publish<T extends Topic>(topic: T, message: MessageOf<T>, options?: Parameters<MessagePublisher['publish']>[2]): Promise<void> {
    return this.publisher.publish(topic, message, options);
  }

  /** Whatever anybody may write to a topic. */
  publishRaw(
    topic: Topic,
    value: string | Buffer | null,
    record: { key?: string; partition?: number; headers?: Record<string, string> } = {},
  ): Promise<void> {
    return this.raw.publish({ topic: topic.name, value, key: null, ...record });
  }

  /** Everything that a topic holds now, partition by partition, oldest first. */
  async records(topic: Topic): Promise<LogRecord[]> {
    const records: LogRecord[] = [];
    for (const [partition] of (await this.log.endOffsets(topic.name)).entries()) {
      const chunks = this.log.readBack({
        topic: topic.name,
        partition,
        untilOffset: Number.MAX_SAFE_INTEGER,
        sinceMs: 0,
        recordsMax: Number.MAX_SAFE_INTEGER,
      });
      for await (const chunk of chunks) records.push(...chunk);
    }
    return records;
  }

  async messages<T extends Topic>(topic: T): Promise<MessageOf<T>[]> {
    return (await this.records(topic)).map(({ value }) => topic.schema.parse(JSON.parse(String(value))) as MessageOf<T>);
  }

  async addOrganization(over: Partial<Organization> = {}): Promise<string> {
    const resource: Organization = { id: randomUUID(), name: 'Test', cloudFunctionsEnabled: true, retentionDays: 30, ...over };
    await this.publish(registryChanges, { type: 'organization', id: resource.id, version: ++this.versions, deleted: false, resource });
    return resource.id;
  }

  async addToken(orgId: string, scopes: Scope[]): Promise<string> {
    const token = accessTokenText(randomUUID().replaceAll('-', '').padEnd(40, '0'));
    const hash = createHash('sha256').update(token).digest('hex');
    const resource = { id: randomUUID(), orgId, name: 'Test', hash, scopes, expiresAt: null };
    await this.publish(registryChanges, { type: 'access-token', id: resource.id, version: ++this.versions, deleted: false, resource });
    return token;
  }

  async addFunction(orgId: string, over: Partial<CloudFunction> = {}): Promise<CloudFunction> {
    const resource = { ...(registryChanges.example.resource as CloudFunction), id: randomUUID(), orgId, ...over };
    await this.publish(registryChanges, { type: 'cloud-function', id: resource.id, version: ++this.versions, deleted: false, resource });
    return resource;
  }

  async addTrigger(orgId: string, over: Partial<Trigger> = {}): Promise<Trigger> {
    const resource = { ...(registryTriggers.example.resource as Trigger), id: randomUUID(), orgId, ...over };
    await this.publish(registryTriggers, { type: 'trigger', id: resource.id, version: ++this.versions, deleted: false, resource });
    return resource;
  }

  /** Resolves to whether the group has committed everything that these topics hold. */
  async hasCommitted(group: string, topics: readonly Topic[]): Promise<boolean> {
    const states = await Promise.all(
      topics.map(async ({ name }) => {
        const [ends, committed] = await Promise.all([this.log.endOffsets(name), this.log.committedOffsets(group, name)]);
        return ends.every((end, partition) => (committed[partition] ?? 0) >= end);
      }),
    );
    return states.every((done) => done);
  }

  /** A POST; `token: null` sends none. */
  async post(
    path: string,
    body: string | Buffer,
    options: { token?: string | null; headers?: Record<string, string>; signal?: AbortSignal } = {},
  ): Promise<HttpAnswer> {
    const { token = OPERATOR_TOKEN, headers = {}, signal } = options;
    const answer = await fetch(`${this.address}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...headers },
      body,
      ...(signal === undefined ? {} : { signal }),
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, text, body: text === '' ? null : (JSON.parse(text) as unknown) };
  }
}
