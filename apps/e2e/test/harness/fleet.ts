import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Api } from './api.js';
import { Program, root } from './processes.js';
import { serviceFor } from './routes.js';

const OPERATOR_TOKEN = 'e2e-operator-token-0123456789';

/** The services of the product as processes of their own on Kafka, behind one address by path as nginx routes them. */
export class Fleet {
  readonly operator: Api;
  readonly topicPrefix = `f${randomBytes(4).toString('hex')}.`;
  private readonly programs = new Map<string, Program>();
  private readonly latest = new Map<string, string>();
  private readonly dataDir = mkdtempSync(join(tmpdir(), 'cf-fleet-'));
  private readonly env: Record<string, string>;

  constructor(kafkaBrokers: string, databaseUrl: string) {
    this.env = {
      NODE_ENV: 'test',
      PORT: '0',
      DATA_DIR: this.dataDir,
      DATABASE_URL: databaseUrl,
      KAFKA_BROKERS: kafkaBrokers,
      KAFKA_TOPIC_PREFIX: this.topicPrefix,
      KAFKA_SESSION_TIMEOUT_MS: '6000',
      OPERATOR_TOKEN,
      PARTITIONS_CHAT_EVENTS: '4',
      PARTITIONS_STEPS: '4',
      PARTITIONS_TRIGGERS: '4',
      PARTITIONS_EXECUTIONS: '4',
    };
    this.operator = new Api((path) => this.addressFor(path), OPERATOR_TOKEN);
  }

  /** `name` tells several processes of one service apart: `invoker`, `invoker-2`. Requests go to the one that was started last. */
  start(...names: string[]): Promise<void> {
    return this.startFrom(root, ...names);
  }

  /** The same from the folder of another release. */
  async startFrom(folder: string, ...names: string[]): Promise<void> {
    await Promise.all(
      names.map(async (name) => {
        const service = name.replace(/-\d+$/, '');
        this.programs.set(name, await Program.start(`apps/${service}/dist/main.js`, this.env, 90_000, folder));
        this.latest.set(service, name);
      }),
    );
  }

  async kill9(name: string): Promise<void> {
    await this.program(name).kill9();
  }

  async stop(name: string): Promise<number | null> {
    return this.program(name).stop();
  }

  async ready(name: string): Promise<{ status: number; parts: Record<string, { ok: boolean; detail: string }> }> {
    const answer = await fetch(`${this.program(name).address}/health/ready`);
    const { parts } = (await answer.json()) as { parts: Record<string, { ok: boolean; detail: string }> };
    return { status: answer.status, parts };
  }

  /** Empty for one that did not start. */
  outputOf(name: string): string {
    return this.programs.get(name)?.output ?? '';
  }

  async close(): Promise<void> {
    await Promise.all([...this.programs.values()].map((program) => program.stop()));
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  private program(name: string): Program {
    const program = this.programs.get(name);
    if (program === undefined) throw new Error(`${name} was not started`);
    return program;
  }

  private addressFor(path: string): string {
    const service = serviceFor(path);
    return this.program(this.latest.get(service) ?? service).address;
  }
}
