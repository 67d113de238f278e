import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import type { Type } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { NestFactory, Reflector } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createLogTransport, type MessageLog } from '@cf/messaging';
import type { Logger } from 'pino';
import { gaugeConsumers, observeConsumers } from './consumer-metrics.js';
import { Health } from './health.js';
import { createHttpAdapter, keepRawBodies } from './http-server.js';
import { NestLogger } from './logger.js';
import { Metrics } from './metrics.js';
import type { PlatformConfig } from './platform.config.js';
import { PlatformModule } from './platform.module.js';
import { ProblemFilter } from './problem.filter.js';
import { QueryInterceptor } from './query.interceptor.js';

/** HTTP answers in flight get this long at shutdown; what waits longer is left to its idempotency key. */
const HTTP_DRAIN_MS = 5_000;

export interface RunningApplication {
  readonly address: string;
  readonly app: NestFastifyApplication;
  /** Drains and closes everything that the application opened, the log excepted. */
  stop(): Promise<void>;
}

/**
 * Runs one or more services as one Nest application on one port.
 *
 * Order of start: providers (`init`) – HTTP – consumers. So a handler never runs before what it needs, and health can be asked
 * while consumers join. Order of stop: not ready – HTTP answers in flight – consumers drain and commit – providers close.
 * Nest's own order would start consumers before `onModuleInit` and close them after providers.
 */
export const runApplication = async (
  modules: readonly Type[],
  platform: PlatformConfig,
  log: MessageLog,
  logger: Logger,
): Promise<RunningApplication> => {
  @Module({ imports: [PlatformModule.around(platform, log, logger), ...modules] })
  class ApplicationModule {}

  const app = await NestFactory.create<NestFastifyApplication>(ApplicationModule, createHttpAdapter(), {
    bodyParser: false,
    logger: new NestLogger(logger),
    abortOnError: false,
  });
  app.useGlobalFilters(new ProblemFilter(logger));
  app.useGlobalInterceptors(new QueryInterceptor(new Reflector()));
  keepRawBodies(app);
  const health = app.get(Health);
  await app.init();
  const metrics = app.get(Metrics);
  const transport = createLogTransport(app, log, observeConsumers(metrics, logger));
  health.register('consumers', () => transport.health());
  gaugeConsumers(metrics, () => transport.stats());
  await app.listen(platform.port, platform.host);
  await new Promise<void>((resolve, reject) => {
    void transport.listen((error) => (error === undefined ? resolve() : reject(error as Error)));
  });
  const { port, address, family } = app.getHttpServer().address() as AddressInfo;
  const host = address === '0.0.0.0' || address === '::' ? 'localhost' : family === 'IPv6' ? `[${address}]` : address;

  const stop = async (): Promise<void> => {
    health.drain();
    const server = app.getHttpServer();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    await Promise.race([closed, new Promise<void>((resolve) => setTimeout(resolve, HTTP_DRAIN_MS).unref())]);
    await transport.close();
    server.closeAllConnections();
    await app.close();
  };
  return { address: `http://${host}:${port}`, app, stop };
};
