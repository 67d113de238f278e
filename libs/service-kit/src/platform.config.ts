import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import type { Topic } from '@cf/contract';
import { KeyRing } from './key-ring.js';
import { describeDataDirError, madeSecret } from './made-secret.js';
import { flag, InvalidSettingsError, readConfig, whole } from './read-config.js';

export const PLATFORM = Symbol('PLATFORM');

/** Of operators' tokens that were made here. */
export const OPERATOR_TOKEN_PREFIX = 'cfop_';

const cidr = (text: string): boolean => {
  try {
    ipaddr.parseCIDR(text);
    return true;
  } catch {
    return false;
  }
};
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== ''),
);
const broker = (text: string): boolean => {
  const [, port] = /^(?:[^\s:/]+|\[[0-9a-fA-F:]+\]):(\d{1,5})$/.exec(text) ?? [];
  return port !== undefined && Number(port) >= 1 && Number(port) <= 65_535;
};
const partitionCount = whole(1, 1_000).default(12);

/** Settings that every process reads (wire.md §1), with their units, defaults and consequences. */
export const platformSchema = z.object({
  /** `production` refuses made-up keys and tokens, plain http and private addresses. */
  NODE_ENV: z.enum(['development', 'production', 'test']).default('development'),
  /** HTTP port; 0 takes any free one. A service alone has its own default. */
  PORT: whole(0, 65_535).optional(),
  HOST: z.string().default('127.0.0.1'),
  /** Folder of embedded Postgres and of keys that were made here. */
  DATA_DIR: z.string().default('.data'),
  /** A Postgres ≥ 15; unset: the embedded one (standalone only). */
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'must begin with postgres://')
    .refine((text) => URL.canParse(text), 'must be a URL: postgres://user:password@host:port/database')
    .optional(),
  /** `host:port,…`; unset: the embedded log (standalone only). */
  KAFKA_BROKERS: list.refine((brokers) => brokers.length > 0 && brokers.every(broker), 'must read `host:port,…`').optional(),
  KAFKA_SSL: flag.default(false),
  /** File with the certificate authorities that brokers are checked against; the system's when unset. */
  KAFKA_SSL_CA: z.string().optional(),
  KAFKA_SASL_MECHANISM: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).optional(),
  KAFKA_SASL_USERNAME: z.string().optional(),
  KAFKA_SASL_PASSWORD: z.string().optional(),
  /** Put before every topic and group name, so that several installations share a cluster. */
  KAFKA_TOPIC_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9._-]*$/, 'may hold letters, digits, dot, dash and underscore')
    .default(''),
  /**
   * ms until a consumer that fell silent is replaced. A killed process that is replaced at once makes its group wait for so long, which a
   * step with the default deadline of 15 s must survive; shorter takes more slow members for dead.
   */
  KAFKA_SESSION_TIMEOUT_MS: whole(6_000, 300_000).default(10_000),
  /** Bearer token of operators. */
  OPERATOR_TOKEN: z.string().min(16, 'must have at least 16 characters').optional(),
  /** Key ring for secrets, `id:base64,…`, 32 bytes each, the first one encrypts. */
  ENCRYPTION_KEYS: z.string().optional(),
  /** CIDRs that customer endpoints may have besides public ones; `none` for none, since an empty variable counts as unset. */
  ALLOWED_ADDRESSES: list
    .transform((entries) => (entries.length === 1 && entries[0] === 'none' ? [] : entries))
    .refine((entries) => entries.every(cidr), 'must be CIDRs such as 10.0.0.0/8, or `none`')
    .optional(),
  /** CIDRs that customer endpoints never have, above `ALLOWED_ADDRESSES` and public ones; for networks of your own that are public. */
  DENIED_ADDRESSES: list.refine((entries) => entries.every(cidr), 'must be CIDRs such as 203.0.113.0/24').default([]),
  /** Plain http to customer endpoints. */
  ALLOW_HTTP: flag.optional(),
  /** Partitions of a topic that does not exist yet; fixed from then on. The steps topics share one number. */
  PARTITIONS_CHAT_EVENTS: partitionCount,
  PARTITIONS_STEPS: partitionCount,
  PARTITIONS_TRIGGERS: partitionCount,
  PARTITIONS_EXECUTIONS: partitionCount,
  /** Collector for traces as OTLP over HTTP, such as http://127.0.0.1:4318; unset: none are recorded. `OTEL_EXPORTER_OTLP_HEADERS` is sent along. */
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  /** Share of new traces that is recorded, 0 to 1; a trace that came with a `traceparent` keeps that one's decision. */
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(1),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info'),
});

export interface KafkaConfig {
  readonly brokers: string[];
  readonly ssl: boolean | { ca: string };
  readonly sasl: { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string } | null;
  readonly topicPrefix: string;
  readonly sessionTimeoutMs: number;
}

export interface PlatformConfig {
  readonly nodeEnv: 'development' | 'production' | 'test';
  readonly port: number;
  readonly host: string;
  readonly dataDir: string;
  /** Always resolved; with embedded Postgres it is known once that runs. */
  readonly databaseUrl: string;
  readonly kafka: KafkaConfig | null;
  readonly operatorToken: string;
  /** Read at first use: only registry and invoker hold it (guarantees.md §6). */
  readonly keyRing: KeyRing;
  readonly allowedAddresses: readonly string[];
  readonly deniedAddresses: readonly string[];
  readonly allowHttp: boolean;
  readonly partitions: Readonly<Record<Topic['partitions'], number>>;
  readonly logLevel: string;
  /** Null: no traces are recorded. */
  readonly traces: { readonly endpoint: string; readonly sampledShare: number } | null;
  /** The same settings with a database that was started meanwhile. */
  withDatabase(databaseUrl: string): PlatformConfig;
}

const LOOPBACK = ['127.0.0.0/8', '::1/128'];

const readSasl = (env: z.infer<typeof platformSchema>): KafkaConfig['sasl'] => {
  if (env.KAFKA_SASL_MECHANISM === undefined) {
    if (env.KAFKA_SASL_USERNAME === undefined && env.KAFKA_SASL_PASSWORD === undefined) return null;
    throw new InvalidSettingsError([{ name: 'KAFKA_SASL_MECHANISM', detail: 'needed with KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD' }]);
  }
  if (env.KAFKA_SASL_USERNAME === undefined || env.KAFKA_SASL_PASSWORD === undefined) {
    throw new InvalidSettingsError([{ name: 'KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD', detail: 'needed with KAFKA_SASL_MECHANISM' }]);
  }
  return { mechanism: env.KAFKA_SASL_MECHANISM, username: env.KAFKA_SASL_USERNAME, password: env.KAFKA_SASL_PASSWORD };
};

const readAuthorities = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new InvalidSettingsError([{ name: 'KAFKA_SSL_CA', detail: (error as Error).message }]);
  }
};

const once = <T>(make: () => T): (() => T) => {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
};

export interface PlatformDefaults {
  readonly port: number;
  /** A service alone keeps no database and no log of its own. */
  readonly needs: 'nothing' | 'kafka-and-database';
  /** Whether this process opens secrets, so that production asks for `ENCRYPTION_KEYS`. Default true. */
  readonly holdsKeys?: boolean;
}

/** Reads and checks the platform's settings. Throws `InvalidSettingsError` naming what is missing or wrong. */
export const readPlatform = (
  defaults: PlatformDefaults,
  variables: Readonly<Record<string, string | undefined>> = process.env,
): PlatformConfig => {
  const env = readConfig(platformSchema, variables);
  const production = env.NODE_ENV === 'production';
  const needed = [
    ...(defaults.needs === 'nothing'
      ? []
      : (['KAFKA_BROKERS', 'DATABASE_URL'] as const).map(
          (name) => [name, 'must be set: a service alone has no log and no database of its own'] as const,
        )),
    ...(production
      ? (['OPERATOR_TOKEN', ...(defaults.holdsKeys === false ? [] : (['ENCRYPTION_KEYS'] as const))] as const).map(
          (name) => [name, 'must be set in production: nothing made up is used there'] as const,
        )
      : []),
  ];
  const missing = needed.filter(([name]) => env[name] === undefined);
  if (missing.length > 0) throw new InvalidSettingsError(missing.map(([name, detail]) => ({ name, detail })));
  const dataDir = resolve(env.DATA_DIR);
  const made = (name: string, make: () => string): string => {
    try {
      return madeSecret(dataDir, name, make);
    } catch (error) {
      throw describeDataDirError(error);
    }
  };
  const keyRing = once(() => {
    const keys = env.ENCRYPTION_KEYS ?? made('encryption-keys', () => KeyRing.make());
    try {
      return KeyRing.parse(keys);
    } catch (error) {
      throw new InvalidSettingsError([{ name: 'ENCRYPTION_KEYS', detail: (error as Error).message }]);
    }
  });
  const platform = (databaseUrl: string): PlatformConfig => ({
    nodeEnv: env.NODE_ENV,
    port: env.PORT ?? defaults.port,
    host: env.HOST,
    dataDir,
    databaseUrl,
    kafka:
      env.KAFKA_BROKERS === undefined
        ? null
        : {
            brokers: env.KAFKA_BROKERS,
            ssl: env.KAFKA_SSL_CA === undefined ? env.KAFKA_SSL : { ca: readAuthorities(env.KAFKA_SSL_CA) },
            sasl: readSasl(env),
            topicPrefix: env.KAFKA_TOPIC_PREFIX,
            sessionTimeoutMs: env.KAFKA_SESSION_TIMEOUT_MS,
          },
    operatorToken: env.OPERATOR_TOKEN ?? made('operator-token', () => `${OPERATOR_TOKEN_PREFIX}${randomBytes(24).toString('base64url')}`),
    get keyRing() {
      return keyRing();
    },
    allowedAddresses: env.ALLOWED_ADDRESSES ?? (production ? [] : LOOPBACK),
    deniedAddresses: env.DENIED_ADDRESSES,
    allowHttp: env.ALLOW_HTTP ?? !production,
    partitions: {
      one: 1,
      'chat-events': env.PARTITIONS_CHAT_EVENTS,
      steps: env.PARTITIONS_STEPS,
      triggers: env.PARTITIONS_TRIGGERS,
      executions: env.PARTITIONS_EXECUTIONS,
    },
    logLevel: env.LOG_LEVEL,
    traces:
      env.OTEL_EXPORTER_OTLP_ENDPOINT === undefined
        ? null
        : { endpoint: env.OTEL_EXPORTER_OTLP_ENDPOINT, sampledShare: env.OTEL_TRACES_SAMPLER_ARG },
    withDatabase: platform,
  });
  return platform(env.DATABASE_URL ?? '');
};
