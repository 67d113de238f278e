import { fork, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { testKafka } from '@cf/testing';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import type { KafkaLogOptions } from '../src/kafka/kafka-log-options.js';
import { KafkaLog } from '../src/kafka/kafka-log.js';
import type { LogRecord, OutgoingRecord, TopicSpec } from '../src/log.js';
import type { CommitOrder, MemberReport, MemberSettings } from './kafka-member.process.js';

/** Logs on the broker of the test run, with names of their own; `close` closes whatever was opened. */
export class KafkaFixture {
  readonly topicPrefix = `${randomUUID()}.`;
  readonly #closing: (() => Promise<unknown>)[] = [];

  constructor(private readonly brokers = testKafka()?.brokers ?? '') {}

  async log(options: Partial<KafkaLogOptions> = {}): Promise<KafkaLog> {
    const log = this.unstarted(options);
    await log.start();
    return log;
  }

  unstarted(options: Partial<KafkaLogOptions> = {}): KafkaLog {
    const timings = { sessionTimeoutMs: 6_000, heartbeatIntervalMs: 200 };
    const log = new KafkaLog({
      brokers: [this.brokers],
      clientId: 'spec',
      topicPrefix: this.topicPrefix,
      ...timings,
      log: () => undefined,
      ...options,
    });
    this.#closing.push(() => log.close());
    return log;
  }

  /** The broker seen past our adapter, as another product's client sees it. */
  kafkajs(): Kafka {
    return new Kafka({ clientId: 'foreign', brokers: [this.brokers], logLevel: logLevel.NOTHING });
  }

  async admin(): Promise<Admin> {
    const admin = this.kafkajs().admin();
    await admin.connect();
    this.#closing.push(() => admin.disconnect());
    return admin;
  }

  /** As retention does, but now. */
  async deleteRecords(topic: string, partition: number, untilOffset: number): Promise<void> {
    const admin = await this.admin();
    const name = this.topicPrefix + topic;
    // The client deletes only where it has heard of the topic.
    await admin.fetchTopicOffsets(name);
    await admin.deleteTopicRecords({ topic: name, partitions: [{ partition, offset: String(untilOffset) }] });
  }

  member(settings: Pick<MemberSettings, 'group' | 'topic'> & Partial<MemberSettings>): MemberProcess {
    const member = new MemberProcess({ brokers: this.brokers, topicPrefix: this.topicPrefix, sessionTimeoutMs: 1_500, ...settings });
    this.#closing.push(() => member.kill());
    return member;
  }

  async close(): Promise<void> {
    await Promise.all(this.#closing.splice(0).map((close) => close()));
  }
}

export class MemberProcess {
  readonly reports: MemberReport[] = [];
  readonly #child: ChildProcess;

  constructor(settings: MemberSettings) {
    const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
    this.#child = fork(path('./kafka-member.process.ts'), [JSON.stringify(settings)], {
      execArgv: ['--disable-warning=ExperimentalWarning', '--import', path('../../../tools/from-source.mjs'), '--conditions=@cf/source'],
    });
    this.#child.on('message', (report: MemberReport) => this.reports.push(report));
  }

  offsets(partition: number): number[] {
    return this.reports.flatMap((report) => (report.is === 'records' && report.partition === partition ? report.offsets : []));
  }

  commit(order: CommitOrder): void {
    this.#child.send(order);
  }

  /** Neither answers nor notices anything until `thaw`. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await gone;
  }
}

export const topicSpec = (spec: Partial<TopicSpec> = {}): TopicSpec => ({
  name: `topic-${randomUUID()}`,
  partitions: 1,
  cleanup: 'delete',
  retentionMs: null,
  messageBytesMax: 2 * 1024 * 1024,
  ...spec,
});

export const publishAll = async (log: KafkaLog, records: readonly OutgoingRecord[]): Promise<void> => {
  const publisher = log.createPublisher('spec');
  await Promise.all(records.map((record) => publisher.publish(record)));
  await publisher.close();
};

export const numbered = (topic: string, count: number, partition = 0, from = 0): OutgoingRecord[] =>
  Array.from({ length: count }, (_, index) => ({ topic, partition, key: null, value: String(from + index) }));

export const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, index) => from + index);

export const valuesOf = (records: readonly LogRecord[]): number[] => records.map(({ value }) => Number(value));
