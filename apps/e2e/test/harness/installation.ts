import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Type } from '@nestjs/common';
import { ExecutionsModule } from '@cf/executions';
import { GatewayModule } from '@cf/gateway';
import { InvokerModule } from '@cf/invoker';
import type { MessageLog } from '@cf/messaging';
import { RegistryModule } from '@cf/registry';
import { createLogger, type MountedRoute, openLog, readPlatform, runApplication } from '@cf/service-kit';
import { StepExecutorModule } from '@cf/step-executor';
import { createTestDatabase, testKafka } from '@cf/testing';
import { TriggerMatcherModule } from '@cf/trigger-matcher';
import { Api } from './api.js';

export type Engine = 'embedded' | 'kafka';

export const allServices: readonly Type[] = [
  RegistryModule,
  TriggerMatcherModule,
  StepExecutorModule,
  InvokerModule,
  ExecutionsModule,
  GatewayModule,
];

/** The product in this process on one real log and a real database, its topics at hand. */
export interface Installation {
  readonly operator: Api;
  readonly operatorToken: string;
  readonly log: MessageLog;
  readonly address: string;
  readonly routes: readonly MountedRoute[];
  /** More services on the same log and database, as an application of their own with its own cache. Answers its address. */
  beside(services: readonly Type[]): Promise<string>;
  stop(): Promise<void>;
}

/**
 * Real: every service chosen, the log (embedded on Postgres, or Kafka), the database, HTTP. Not real: they share a process.
 * Crashes of processes are proven elsewhere.
 */
export const startInstallation = async (engine: Engine, services: readonly Type[] = allServices): Promise<Installation> => {
  const database = await createTestDatabase();
  const dataDir = mkdtempSync(join(tmpdir(), 'cf-e2e-'));
  const kafka = engine === 'kafka' ? testKafka() : null;
  if (engine === 'kafka' && kafka === null) throw new Error('this needs the Kafka of the test run');
  const platform = readPlatform(
    { port: 0, needs: 'nothing' },
    {
      NODE_ENV: 'test',
      PORT: '0',
      DATA_DIR: dataDir,
      DATABASE_URL: database.url,
      ...(kafka === null ? {} : { KAFKA_BROKERS: kafka.brokers, KAFKA_TOPIC_PREFIX: `t${randomBytes(4).toString('hex')}.` }),
      PARTITIONS_CHAT_EVENTS: '4',
      PARTITIONS_STEPS: '4',
      PARTITIONS_TRIGGERS: '4',
      PARTITIONS_EXECUTIONS: '4',
      LOG_LEVEL: process.env['E2E_LOG_LEVEL'] ?? 'fatal',
    },
  );
  const logger = createLogger('e2e', platform.logLevel);
  const log = await openLog(platform, logger, 'e2e');
  const { address, routes, stop } = await runApplication(services, platform, log, logger).catch(async (error: unknown) => {
    await log.close();
    throw error;
  });
  const running = [stop];
  return {
    beside: async (others) => {
      const other = await runApplication(others, platform, log, logger);
      running.unshift(other.stop);
      return other.address;
    },
    operator: new Api(() => address, platform.operatorToken),
    operatorToken: platform.operatorToken,
    log,
    address,
    routes,
    stop: async () => {
      for (const next of running) await next();
      await log.close();
      await database.drop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
};
