import { MessagingError } from '../errors.js';
import type {
  GroupMember,
  GroupOptions,
  LogReader,
  LogRecord,
  LogStatus,
  MessageLog,
  Publisher,
  ReadBackOptions,
  ReaderOptions,
  TopicSpec,
} from '../log.js';
import { BackOff } from './waiting.js';
import { fetchCommitted } from './committed-offsets.js';
import { ConnectionHealth } from './connection-health.js';
import { Connection } from './connection.js';
import { KafkaGroupMember } from './kafka-group-member.js';
import { withDefaults, type KafkaLogOptions, type KafkaSettings } from './kafka-log-options.js';
import { KafkaPublisher } from './kafka-publisher.js';
import { KafkaReader } from './kafka-reader.js';
import { LATEST, listOffsets } from './offsets.js';
import { readBack } from './read-back.js';
import { isUnknownTopic, leadersOnceCreated } from './topic-facts.js';
import { ensureTopics } from './topics.js';

/** Once for a connection that was closed unseen, once more for a leader that moved. */
const QUESTION_ATTEMPTS = 3;

/** Nobody waits for what triggers leave behind. */
const GATHERED_MS = 5;

/** The log port on Apache Kafka (2.3 or newer), with kafkajs for the connections. */
export class KafkaLog implements MessageLog {
  readonly engine = 'kafka';
  readonly #settings: KafkaSettings;
  readonly #health: ConnectionHealth;
  /** Kept open for questions, so that asking for end offsets costs one round trip. */
  readonly #questions: Connection;
  readonly #open = new Set<{ close(): Promise<void> }>();
  #serial = 0;

  constructor(options: KafkaLogOptions) {
    this.#settings = withDefaults(options);
    this.#health = new ConnectionHealth(this.#settings);
    this.#questions = this.#connect('questions');
  }

  async start(): Promise<void> {
    const { startTimeoutMs, brokers } = this.#settings;
    const giveUpAtMs = performance.now() + startTimeoutMs;
    const backOff = new BackOff(200, 1_000);
    for (;;) {
      try {
        await this.#questions.cluster.refreshMetadata();
        this.#questions.works();
        return;
      } catch (error) {
        await this.#questions.failed(error);
        if (performance.now() > giveUpAtMs) {
          const text = `Kafka (${brokers.join(', ')}) could not be reached within ${startTimeoutMs} ms: ${(error as Error).message}`;
          throw new MessagingError('log_unavailable', text, true, { cause: error });
        }
        await backOff.wait();
      }
    }
  }

  ensureTopics(topics: readonly TopicSpec[]): Promise<void> {
    return this.#ask('create topics', (connection) => ensureTopics(connection, topics));
  }

  partitionCount(topic: string): Promise<number> {
    return this.#ask(topic, async (connection) => (await leadersOnceCreated(connection, topic)).length);
  }

  endOffsets(topic: string): Promise<readonly number[]> {
    return this.#ask(topic, async (connection) => {
      const offsets = await listOffsets(connection, topic, LATEST);
      return Array.from({ length: offsets.size }, (_, partition) => offsets.get(partition) ?? 0);
    });
  }

  committedOffsets(group: string, topic: string): Promise<readonly (number | null)[]> {
    return this.#ask(topic, async (connection) => {
      const name = connection.physical(topic);
      const partitions = [...(await connection.leaders(name)).keys()];
      const coordinator = await connection.coordinator(connection.physical(group));
      const committed = await fetchCommitted(coordinator, connection.physical(group), name, partitions);
      return partitions.map((partition) => committed.get(partition)?.offset ?? null);
    });
  }

  createPublisher(name: string, priority: 'step' | 'trigger' = 'step'): Publisher {
    return this.#track(new KafkaPublisher(this.#connect(`publisher ${name}`), priority === 'trigger' ? GATHERED_MS : 0));
  }

  async join(options: GroupOptions): Promise<GroupMember> {
    const counts = await Promise.all(options.topics.map((topic) => this.partitionCount(topic)));
    if (options.coPartitioned && new Set(counts).size > 1) {
      const text = options.topics.map((topic, index) => `${topic} ${counts[index]}`).join(', ');
      throw new MessagingError('not_co_partitioned', `${options.group} needs topics with the same number of partitions: ${text}`, false);
    }
    const member = new KafkaGroupMember(this.#connect(`group ${options.group}`), this.#connect(`joins of ${options.group}`), options);
    this.#track({ close: () => member.leave() });
    return member;
  }

  read(options: ReaderOptions): LogReader {
    return this.#track(new KafkaReader(this.#connect(`reader of ${options.topic}`), options));
  }

  readBack(options: ReadBackOptions): AsyncIterable<readonly LogRecord[]> {
    return readBack(this.#questions, options);
  }

  status(): LogStatus {
    return this.#health.status();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map((part) => part.close()));
    await this.#questions.close();
  }

  #connect(name: string): Connection {
    return new Connection(this.#settings, `${name} #${++this.#serial}`, this.#health);
  }

  #track<T extends { close(): Promise<void> }>(part: T): T {
    this.#open.add(part);
    return part;
  }

  async #ask<T>(subject: string, work: (connection: Connection) => Promise<T>): Promise<T> {
    const backOff = new BackOff();
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await work(this.#questions);
        this.#questions.works();
        return answer;
      } catch (error) {
        if (isUnknownTopic(error)) throw new MessagingError('unknown_topic', `there is no topic ${subject}`, false, { cause: error });
        await this.#questions.failed(error);
        if (attempt === QUESTION_ATTEMPTS) {
          throw new MessagingError('log_unavailable', `Kafka did not answer for ${subject}: ${(error as Error).message}`, true, {
            cause: error,
          });
        }
        await backOff.wait();
      }
    }
  }
}
