import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Type } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createLogTransport, type MessageLog } from '@cf/messaging';
import type { Logger } from 'pino';
import { gaugeConsumers, observeConsumers } from './consumer-metrics.js';
import { followTraces } from './follow-traces.js';
import { hearOutBeforeRefusing } from './hear-out.js';
import { Health } from './health.js';
import { createHttpAdapter, followRequests, keepRawBodies, listRoutes, type MountedRoute } from './http-server.js';
import { NestLogger } from './logger.js';
import { measureRequests } from './measure-requests.js';
import { Metrics } from './metrics.js';
import type { PlatformConfig } from './platform.config.js';
import { PlatformModule } from './platform.module.js';
import { ProblemFilter } from './problem.filter.js';
import { InvalidSettingsError } from './read-config.js';
import { QueryInterceptor } from './query.interceptor.js';

/**
 * HTTP answers in flight get this long at shutdown before consumers drain, which takes up to 31 s; what waits longer is told to come again. A process without consumers has nothing else to wait for: 30 s of a step, 2 s of its margin, a moment.
 */
const HTTP_DRAIN_MS = 5_000;
const HTTP_DRAIN_WITHOUT_CONSUMERS_MS = 33_000;

/** Joining a group takes a rebalance, seconds at most; what takes longer is told by readiness rather than by silence. */
const READY_MS_MAX = 15_000;
const READY_POLL_MS = 20;

export interface RunningApplication {
  readonly address: string;
  readonly app: NestFastifyApplication;
  readonly routes: readonly MountedRoute[];
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
  app.useGlobalInterceptors(new QueryInterceptor());
  keepRawBodies(app);
  hearOutBeforeRefusing(app);
  followTraces(app, logger);
  measureRequests(app, app.get(Metrics));
  const health = app.get(Health);
  const requests = followRequests(app, health);
  const routes = listRoutes(app);
  await app.init();
  const metrics = app.get(Metrics);
  const transport = createLogTransport(app, log, observeConsumers(metrics, logger));
  health.register('consumers', () => transport.health());
  gaugeConsumers(metrics, () => transport.stats());
  try {
    await app.listen(platform.port, platform.host);
  } catch (error) {
    await app.close();
    throw refusedAddress(error, platform);
  }
  await new Promise<void>((resolve, reject) => {
    void transport.listen((error) => (error === undefined ? resolve() : reject(error as Error)));
  });
  await untilReady(health, logger);
  const { port, address, family } = app.getHttpServer().address() as AddressInfo;
  const host = address === '0.0.0.0' || address === '::' ? 'localhost' : family === 'IPv6' ? `[${address}]` : address;

  const stop = async (): Promise<void> => {
    health.drain();
    const server = app.getHttpServer();
    server.close();
    await requests.end(transport.stats().length === 0 ? HTTP_DRAIN_WITHOUT_CONSUMERS_MS : HTTP_DRAIN_MS);
    server.closeAllConnections();
    await transport.close();
    await app.close();
  };
  return { address: `http://${host}:${port}`, app, routes, stop };
};

/** Whoever says that it is ready has joined its groups. */
const untilReady = async (health: Health, logger: Logger): Promise<void> => {
  for (const giveUpAtMs = Date.now() + READY_MS_MAX; !health.report().ready; await delay(READY_POLL_MS)) {
    if (Date.now() > giveUpAtMs) return logger.warn(health.report(), 'started, but not ready yet');
  }
};

/** Says which setting names an address that cannot be listened on. */
const refusedAddress = (error: unknown, { port, host }: PlatformConfig): unknown => {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return wrong('PORT', `${port} is in use on ${host}: stop the program that uses it, or choose another one`);
  if (code === 'EACCES') return wrong('PORT', `${port} may not be opened by this user`);
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return wrong('HOST', `${host} is no address of this machine`);
  return error;
};

const wrong = (name: string, detail: string): InvalidSettingsError => new InvalidSettingsError([{ name, detail }]);
