export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface KafkaLogOptions {
  /** host:port of some brokers of the cluster; the others are learnt from them. */
  readonly brokers: readonly string[];
  /** Shows in the broker's logs and quotas. */
  readonly clientId: string;
  /** TLS; with `ca` (PEM) that authority is trusted instead of the system's. Default: false. */
  readonly ssl?: boolean | { readonly ca: string };
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  } | null;
  /** Put before the names of topics and groups on the cluster; invisible above the port. Default: ''. */
  readonly topicPrefix?: string;
  /** A member that is silent for so long loses its partitions. Default: 30 s, as in Kafka's Java client before 3.0. */
  readonly sessionTimeoutMs?: number;
  /** Also how soon a member notices that the group gathers: what moves stands still for about so long. Default: 0.5 s. */
  readonly heartbeatIntervalMs?: number;
  /** How long `start` waits for the cluster. Default: 60 s. */
  readonly startTimeoutMs?: number;
  /** A broker that did not answer by then is connected to anew. Default: 30 s, as in Kafka's own clients. */
  readonly requestTimeoutMs?: number;
  /** A record that is not acknowledged by then is rejected as retryable. Default: 30 s. */
  readonly deliveryTimeoutMs?: number;
  /** Bytes that wait in one publisher; above it records are rejected as retryable. Default: 64 MiB. */
  readonly publisherQueueBytesMax?: number;
  /** Default: warnings and errors as JSON lines on stderr. */
  readonly log?: (level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>) => void;
}

export type KafkaSettings = Required<KafkaLogOptions>;

const logToStderr: KafkaSettings['log'] = (level, message, fields) => {
  if (level === 'warn' || level === 'error') console.warn(JSON.stringify({ level, message, ...fields }));
};

export const withDefaults = (options: KafkaLogOptions): KafkaSettings => ({
  brokers: options.brokers,
  clientId: options.clientId,
  ssl: options.ssl ?? false,
  sasl: options.sasl ?? null,
  topicPrefix: options.topicPrefix ?? '',
  sessionTimeoutMs: options.sessionTimeoutMs ?? 30_000,
  heartbeatIntervalMs: options.heartbeatIntervalMs ?? 500,
  startTimeoutMs: options.startTimeoutMs ?? 60_000,
  requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
  deliveryTimeoutMs: options.deliveryTimeoutMs ?? 30_000,
  publisherQueueBytesMax: options.publisherQueueBytesMax ?? 64 * 1024 * 1024,
  log: options.log ?? logToStderr,
});
