import { createHash, randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  accessTokenText,
  type CloudFunction,
  flows,
  type InvocationRequest,
  type InvocationResult,
  invocationResult,
  type MessageOf,
  plainTls,
  type RegisteredApi,
  registryChanges,
  sameId,
  type Scope,
  stepInvocationRequests,
  stepInvocationResults,
  type Topic,
  triggerInvocationRequests,
  triggerInvocationResults,
  unsigned,
} from '@cf/contract';
import { EmbeddedLog, MessagePublisher } from '@cf/messaging';
import { createLogger, KeyRing, Metrics, readPlatform, runApplication, type RunningApplication } from '@cf/service-kit';
import { eventually } from '@cf/testing';
import { InvokerModule } from '../src/index.js';

/** More than one, so that nothing works by the order of one partition. */
export const PARTITIONS = 4;
export const keyRing = KeyRing.parse(KeyRing.make());

export interface Received {
  readonly partition: number;
  readonly result: InvocationResult;
}

const stepExample = stepInvocationRequests.example;
const triggerExample = triggerInvocationRequests.example;

/** The service `invoker` on a log in memory; specs speak to it through topics and a customer's endpoint. */
export class RunningInvoker {
  readonly stepResults: Received[] = [];
  readonly triggerResults: Received[] = [];
  private readonly publisher: MessagePublisher;
  private readonly processes: RunningApplication[] = [];
  private versions = 0;

  private constructor(
    readonly log: EmbeddedLog,
    private readonly settings: Readonly<Record<string, string>>,
  ) {
    this.publisher = new MessagePublisher(log.createPublisher('test', 'step'));
    for (const [topic, received] of [
      [stepInvocationResults, this.stepResults],
      [triggerInvocationResults, this.triggerResults],
    ] as const) {
      log.read({
        topic: topic.name,
        from: 'beginning',
        onRecords: (partition, records) => {
          for (const { value } of records) received.push({ partition, result: invocationResult.parse(JSON.parse(String(value))) });
        },
      });
    }
  }

  /** A log without a service, so that a spec may begin with what lies there already. */
  static async create(settings: Readonly<Record<string, string>> = {}): Promise<RunningInvoker> {
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
    return new RunningInvoker(log, settings);
  }

  static async start(settings?: Readonly<Record<string, string>>): Promise<RunningInvoker> {
    const invoker = await RunningInvoker.create(settings);
    await invoker.startProcess();
    return invoker;
  }

  /** May be called again for one more worker. */
  async startProcess(ring = keyRing): Promise<RunningApplication> {
    const platform = readPlatform(
      { port: 0, needs: 'nothing' },
      { NODE_ENV: 'test', DATA_DIR: join(tmpdir(), 'cf-invoker-test'), OPERATOR_TOKEN: 'operator-token-of-this-test', ...this.settings },
    );
    const withKeys = Object.create(platform, { keyRing: { value: ring } }) as typeof platform;
    const process = await runApplication([InvokerModule], withKeys, this.log, createLogger('invoker', 'fatal'));
    this.processes.push(process);
    return process;
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.splice(0).map((process) => process.stop()));
    await this.log.close();
  }

  async metric(name: string, labels: Readonly<Record<string, string>>, process = this.processes[0]): Promise<number> {
    const metric = await process?.app.get(Metrics).registry.getSingleMetric(name)?.get();
    const found = metric?.values.find((value) => Object.entries(labels).every(([label, text]) => value.labels[label] === text));
    return found?.value ?? 0;
  }

  publish<T extends Topic>(topic: T, message: MessageOf<T>, partition?: number): Promise<void> {
    return this.publisher.publish(topic, message, { ...(partition !== undefined && { partition }) });
  }

  async addOrganization(cloudFunctionsEnabled = true, orgId: string = randomUUID()): Promise<string> {
    const resource = { id: orgId, name: 'Test', cloudFunctionsEnabled, retentionDays: 30 };
    await this.publish(registryChanges, { type: 'organization', id: orgId, version: ++this.versions, deleted: false, resource });
    return orgId;
  }

  async addToken(orgId: string, scopes: Scope[]): Promise<string> {
    const token = accessTokenText(randomUUID().replaceAll('-', '').padEnd(40, '0'));
    const hash = createHash('sha256').update(token).digest('hex');
    const resource = { id: randomUUID(), orgId, name: 'Test', hash, scopes, expiresAt: null };
    await this.publish(registryChanges, { type: 'access-token', id: resource.id, version: ++this.versions, deleted: false, resource });
    return token;
  }

  /** A POST without a body to the service's own HTTP API. */
  post(path: string, token: string): Promise<Response> {
    return fetch(`${this.processes[0]?.address}${path}`, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
  }

  async setApi(orgId: string, baseUrl: string, api: Partial<RegisteredApi> = {}): Promise<RegisteredApi> {
    const resource: RegisteredApi = {
      id: randomUUID(),
      orgId,
      name: 'Test',
      baseUrl,
      isReadOnly: false,
      headers: [],
      authorization: { type: 'None' },
      tls: plainTls,
      ...api,
    };
    await this.publish(registryChanges, { type: 'registered-api', id: resource.id, version: ++this.versions, deleted: false, resource });
    return resource;
  }

  async setFunction(api: RegisteredApi, cloudFunction: Partial<CloudFunction> = {}): Promise<CloudFunction> {
    const resource: CloudFunction = {
      id: randomUUID(),
      orgId: api.orgId,
      name: 'Test',
      registeredApiId: api.id,
      endpointUrl: `called-${randomUUID()}`,
      branchOptions: [],
      enabled: true,
      timeoutMs: 10_000,
      maxConcurrency: 50,
      signing: unsigned,
      triggersPaused: false,
      circuitResetAt: null,
      ...cloudFunction,
    };
    await this.publish(registryChanges, { type: 'cloud-function', id: resource.id, version: ++this.versions, deleted: false, resource });
    return resource;
  }

  step({ id, orgId }: Pick<CloudFunction, 'id' | 'orgId'>, request: Partial<InvocationRequest> = {}): InvocationRequest {
    return {
      ...stepExample,
      invocationId: randomUUID(),
      step: { ...stepExample.step!, requestId: randomUUID(), executionId: randomUUID() },
      orgId,
      cloudFunctionId: id,
      acceptedAt: new Date().toISOString(),
      deadline: new Date(Date.now() + 15_000).toISOString(),
      ...request,
    };
  }

  trigger({ id, orgId }: Pick<CloudFunction, 'id' | 'orgId'>, request: Partial<InvocationRequest> = {}): InvocationRequest {
    return {
      ...triggerExample,
      invocationId: randomUUID(),
      event: { id: randomUUID(), type: 'ChatOpened' },
      orgId,
      cloudFunctionId: id,
      chatId: null,
      configOffset: null,
      acceptedAt: new Date().toISOString(),
      ...request,
    };
  }

  async send(request: InvocationRequest, partition?: number): Promise<void> {
    await this.publish(request.kind === 'step' ? stepInvocationRequests : triggerInvocationRequests, request, partition);
  }

  resultsOf(request: InvocationRequest): InvocationResult[] {
    const received = request.kind === 'step' ? this.stepResults : this.triggerResults;
    return received.map(({ result }) => result).filter((result) => sameId(result.request.invocationId) === sameId(request.invocationId));
  }

  /** Sends and waits for the first result. */
  async run(request: InvocationRequest, timeoutMs?: number): Promise<InvocationResult> {
    await this.send(request);
    return this.resultOf(request, timeoutMs);
  }

  resultOf(request: InvocationRequest, timeoutMs?: number): Promise<InvocationResult> {
    return eventually(() => {
      const [result] = this.resultsOf(request);
      if (result === undefined) throw new Error('no result yet');
      return result;
    }, timeoutMs);
  }
}
