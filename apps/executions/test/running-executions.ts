import { createHash, randomUUID } from 'node:crypto';
import {
  accessTokenText,
  type CloudFunction,
  flows,
  type InvocationRequest,
  invocationRequest,
  type MessageOf,
  registryChanges,
  registryTriggers,
  type Scope,
  type Topic,
  type Trigger,
  triggerInvocationRequests,
  triggerInvocationResults,
} from '@cf/contract';
import { EmbeddedLog, MessagePublisher } from '@cf/messaging';
import { createLogger, Metrics, readPlatform, runApplication, type RunningApplication } from '@cf/service-kit';
import { createTestDatabase, type TestDatabase } from '@cf/testing';
import pg from 'pg';
import { ExecutionsModule } from '../src/index.js';

/** Two, so that nothing works by the order of one partition. */
const PARTITIONS = 2;
export const OPERATOR_TOKEN = 'operator-token-of-this-test';

export interface Answer {
  readonly status: number;
  readonly isReplayed: boolean;
  // The shape of an answer is what the specs are about.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
}

/** The service `executions` with a real Postgres and a log in memory; specs speak to it through topics and HTTP. */
export class RunningExecutions {
  readonly sent: InvocationRequest[] = [];
  readonly sql: pg.Pool;
  private readonly publisher: MessagePublisher;
  private readonly services: RunningApplication[] = [];
  private readonly tokenIds = new Map<string, string>();

  private constructor(
    readonly database: TestDatabase,
    readonly log: EmbeddedLog,
    private readonly settings: Readonly<Record<string, string>>,
  ) {
    this.publisher = new MessagePublisher(log.createPublisher('test', 'trigger'));
    this.sql = new pg.Pool({ connectionString: database.url, max: 2 });
    this.sql.on('error', () => undefined);
    log.read({
      topic: triggerInvocationRequests.name,
      from: 'beginning',
      onRecords: (_partition, records) => {
        for (const { value } of records) this.sent.push(invocationRequest.parse(JSON.parse(String(value))));
      },
    });
  }

  static async create(settings: Readonly<Record<string, string>> = {}): Promise<RunningExecutions> {
    const log = EmbeddedLog.inMemory();
    await log.start();
    await log.ensureTopics(
      flows.map(({ topic }) => ({
        name: topic.name,
        partitions: topic.partitions === 'one' ? 1 : PARTITIONS,
        cleanup: topic.cleanup,
        retentionMs: topic.retentionMs,
        messageBytesMax: topic.messageBytesMax,
      })),
    );
    return new RunningExecutions(await createTestDatabase(), log, { EXECUTIONS_CLAIM_EVERY_MS: '20', ...settings });
  }

  static async start(settings?: Readonly<Record<string, string>>): Promise<RunningExecutions> {
    const executions = await RunningExecutions.create(settings);
    await executions.startService();
    return executions;
  }

  /** May be called again for one more process of the service. */
  async startService(databaseUrl: string = this.database.url): Promise<void> {
    Object.assign(process.env, this.settings);
    const platform = readPlatform(
      { port: 0, needs: 'nothing' },
      { NODE_ENV: 'test', DATABASE_URL: databaseUrl, OPERATOR_TOKEN, LOG_LEVEL: 'fatal' },
    );
    this.services.push(await runApplication([ExecutionsModule], platform, this.log, createLogger('executions', 'fatal')));
  }

  /** All that waits, in one go: row by row it and the claimer could wait for each other. */
  async changeDue(set: string): Promise<void> {
    await this.sql.query(`BEGIN; LOCK TABLE executions.due IN EXCLUSIVE MODE; UPDATE executions.due SET ${set}; COMMIT`);
  }

  /** Those of this service: other specs share the server. */
  async cutConnections(): Promise<void> {
    await this.sql.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'executions' AND datname = current_database()`,
    );
  }

  async stopServices(): Promise<void> {
    await Promise.all(this.services.splice(0).map((service) => service.stop()));
  }

  async stop(): Promise<void> {
    await this.stopServices();
    await this.log.close();
    await this.sql.end();
    await this.database.drop();
    for (const name of Object.keys(this.settings)) delete process.env[name];
  }

  publish<T extends Topic>(topic: T, ...messages: MessageOf<T>[]): Promise<unknown> {
    return Promise.all(messages.map((message) => this.publisher.publish(topic, message)));
  }

  /** Rows of specs have dates of their own, so nothing is too old unless a spec says so. */
  async addOrganization(orgId: string = randomUUID(), retentionDays = 36_500): Promise<string> {
    const resource = { id: orgId, name: 'Test', cloudFunctionsEnabled: true, retentionDays };
    await this.publish(registryChanges, { type: 'organization', id: orgId, version: 1, deleted: false, resource });
    return orgId;
  }

  async addToken(orgId: string, scopes: Scope[], expiresAt: string | null = null): Promise<string> {
    const token = accessTokenText(randomUUID().replaceAll('-', '').padEnd(40, '0'));
    const id = randomUUID();
    const hash = createHash('sha256').update(token).digest('hex');
    const resource = { id, orgId, name: 'Test', hash, scopes, expiresAt };
    await this.publish(registryChanges, { type: 'access-token', id, version: 1, deleted: false, resource });
    this.tokenIds.set(token, id);
    return token;
  }

  async setFunction(orgId: string, id: string, over: Partial<CloudFunction> = {}): Promise<void> {
    const resource = { ...(registryChanges.example.resource as CloudFunction), id, orgId, ...over };
    await this.publish(registryChanges, { type: 'cloud-function', id, version: ++this.versions, deleted: false, resource });
  }

  private versions = 0;

  async setTrigger(orgId: string, id: string, enabled = true, over: Partial<Trigger> = {}): Promise<void> {
    const resource = { ...registryTriggers.example.resource!, ...over, id, orgId, enabled };
    await this.publish(registryTriggers, { type: 'trigger', id, version: ++this.versions, deleted: false, resource });
  }

  async deleteTrigger(id: string): Promise<void> {
    await this.publish(registryTriggers, { type: 'trigger', id, version: ++this.versions, deleted: true, resource: null });
  }

  /** Resolves when everything that was published so far is recorded. */
  async recorded(topics: readonly Topic[] = [triggerInvocationResults]): Promise<boolean> {
    const states = await Promise.all(
      topics.map(async ({ name }) => {
        const ends = await this.log.endOffsets(name);
        const committed = await this.log.committedOffsets('executions', name);
        return ends.every((end, partition) => (committed[partition] ?? 0) >= end);
      }),
    );
    return states.every((caughtUp) => caughtUp);
  }

  async request(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    options: { token?: string; body?: unknown; replica?: number; idempotencyKey?: string } = {},
  ): Promise<Answer> {
    const answer = await fetch(`${this.services[options.replica ?? 0]!.address}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${options.token ?? OPERATOR_TOKEN}`,
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(options.idempotencyKey === undefined ? {} : { 'idempotency-key': options.idempotencyKey }),
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    const text = await answer.text();
    const isReplayed = answer.headers.get('idempotency-replayed') === 'true';
    return { status: answer.status, isReplayed, body: text === '' ? null : JSON.parse(text) };
  }

  get(path: string, token?: string): Promise<Answer> {
    return this.request('GET', path, token === undefined ? {} : { token });
  }

  /** What the router of the service has, but for what every service has. */
  get routes(): readonly { readonly method: string; readonly path: string }[] {
    return this.services[0]!.routes.filter(({ method, path }) => method !== 'HEAD' && path.startsWith('/v1/'));
  }

  /** Of one of the processes that run. */
  addressOf(index: number): string {
    return this.services[index]!.address;
  }

  /** Ends one of the processes that run as SIGTERM does. */
  async stopService(index: number): Promise<void> {
    await this.services.splice(index, 1)[0]!.stop();
  }

  async revokeToken(token: string): Promise<void> {
    const id = this.tokenIds.get(token)!;
    await this.publish(registryChanges, { type: 'access-token', id, version: 2, deleted: true, resource: null });
  }

  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const metric = await this.services[0]?.app.get(Metrics).registry.getSingleMetric(name)?.get();
    const found = metric?.values.find((value) => Object.entries(labels).every(([label, text]) => value.labels[label] === text));
    return found?.value ?? 0;
  }

  sentOf(invocationId: string): InvocationRequest[] {
    return this.sent.filter((request) => request.invocationId === invocationId);
  }
}
