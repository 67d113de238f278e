import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { Kafka, logLevel, type SASLOptions } from 'kafkajs';
import { MessagingError } from '../errors.js';
import type { ConnectionHealth } from './connection-health.js';
import type { KafkaSettings } from './kafka-log-options.js';
import { openCluster, type Broker, type Cluster, type ProtocolError } from './kafkajs-internals.js';

/** kafkajs gives a broker 1 s, too short for TLS on a busy machine. */
const CONNECT_TIMEOUT_MS = 5_000;
/** Below the idle timeout of usual firewalls and load balancers. */
const KEEP_ALIVE_MS = 60_000;
/** How soon a connection that failed and is not used is tried again, so that health is not red for longer than the cluster is away. */
const PROBE_MS = 1_000;

/**
 * One set of connections to the cluster with a name that shows in the status. Publishers, readers and members each have their own:
 * a broker answers the requests of a connection one by one, so a join that waits for others would hold up whatever shares it.
 */
export class Connection {
  readonly cluster: Cluster;
  readonly #sockets = new Set<Socket>();
  #closed = false;
  #probe: NodeJS.Timeout | null = null;

  constructor(
    readonly settings: KafkaSettings,
    readonly name: string,
    private readonly health: ConnectionHealth,
  ) {
    const kafka = new Kafka({
      clientId: settings.clientId,
      brokers: [...settings.brokers],
      ssl: typeof settings.ssl === 'boolean' ? settings.ssl : { ca: settings.ssl.ca },
      ...(settings.sasl !== null && { sasl: settings.sasl as SASLOptions }),
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: settings.requestTimeoutMs,
      // Those who use a connection retry by themselves, with their own deadline.
      retry: { retries: 1, initialRetryTime: 50 },
      logLevel: logLevel.ERROR,
      logCreator: () => (entry) =>
        this.#closed || settings.log('debug', entry.log.message, { connection: name, namespace: entry.namespace }),
      socketFactory: ({ host, port, ssl, onConnect }) => this.#openSocket(host, port, ssl, onConnect),
    });
    this.cluster = openCluster(kafka);
  }

  get closed(): boolean {
    return this.#closed;
  }

  physical(topic: string): string {
    return this.settings.topicPrefix + topic;
  }

  logical(topic: string): string {
    return topic.slice(this.settings.topicPrefix.length);
  }

  /** The node that leads each partition of a topic (prefixed). Throws `UNKNOWN_TOPIC_OR_PARTITION`. */
  async leaders(topic: string): Promise<readonly number[]> {
    this.#assertOpen();
    await this.cluster.addMultipleTargetTopics([topic]);
    const leaders: number[] = [];
    for (const { partitionId, leader } of this.cluster.findTopicPartitionMetadata(topic)) leaders[partitionId] = leader;
    return leaders;
  }

  async broker(nodeId: number): Promise<Broker> {
    this.#assertOpen();
    return this.cluster.findBroker({ nodeId });
  }

  async coordinator(groupId: string): Promise<Broker> {
    this.#assertOpen();
    // Makes sure that the cluster is known: kafkajs asks one of the brokers it has seen.
    await this.cluster.addMultipleTargetTopics([]);
    return this.cluster.findGroupCoordinator({ groupId });
  }

  works(): void {
    this.#stopProbing();
    if (!this.#closed) this.health.works(this.name);
  }

  /** Notes the failure and learns the brokers and leaders anew. */
  async failed(error: unknown): Promise<void> {
    if (this.#closed) return;
    this.health.fails(this.name, error);
    this.#stopProbing();
    // What a broker refuses for good is over when it is accepted; that a broker or a leader is away can be found out by asking.
    const { type, retriable } = error as Partial<ProtocolError>;
    if (type === undefined || retriable === true) this.#probeLater();
    await this.refresh();
  }

  partitionWorks(topic: string, partition: number): void {
    this.health.clear(this.#partName(topic, partition));
  }

  partitionFails(topic: string, partition: number, error: unknown): void {
    if (!this.#closed) this.health.fails(this.#partName(topic, partition), error);
  }

  /** Learns brokers and leaders anew, as far as that is possible now. */
  async refresh(): Promise<void> {
    if (!this.#closed) await this.cluster.refreshMetadata().catch(() => undefined);
  }

  /** Requests under way are rejected, so nothing here waits for an answer. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopProbing();
    this.health.forget(this.name);
    this.cut(new Error('closed by this process'));
    await this.cluster.disconnect().catch(() => undefined);
  }

  /** Rejects the requests under way; the next one connects anew. */
  cut(reason: Error): void {
    for (const socket of this.#sockets) socket.destroy(reason);
  }

  #probeLater(): void {
    this.#probe ??= setTimeout(() => void this.#probeNow(), PROBE_MS).unref();
  }

  #stopProbing(): void {
    if (this.#probe !== null) clearTimeout(this.#probe);
    this.#probe = null;
  }

  async #probeNow(): Promise<void> {
    const probe = this.#probe;
    const reached = await this.cluster.refreshMetadata().then(
      () => true,
      () => false,
    );
    if (probe === null || this.#probe !== probe) return;
    this.#probe = null;
    if (reached) this.works();
    else this.#probeLater();
  }

  #partName(topic: string, partition: number): string {
    return `${this.name}, ${topic}[${partition}]`;
  }

  #assertOpen(): void {
    if (this.#closed) throw new MessagingError('closed', `the connection of ${this.name} is closed`, false);
  }

  #openSocket(host: string, port: number, ssl: ConnectionOptions | undefined, onConnect: () => void): Socket {
    // Without noDelay a small request waits for the acknowledgement of the one before it.
    const servername = isIP(host) === 0 ? { servername: host } : {};
    const socket = ssl ? connectTls({ host, port, ...servername, ...ssl }, onConnect) : connectPlain({ host, port }, onConnect);
    const unref = socket.unref.bind(socket);
    // kafkajs does this at every try to reach a broker that is away, and each leaves a listener on the dead socket.
    socket.unref = () => (socket.destroyed ? socket : unref());
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }
}
