import type { Type } from '@nestjs/common';
import type { ServiceName } from '@cf/contract';
import { createLogger } from './logger.js';
import { openLog } from './open-log.js';
import { readPlatform } from './platform.config.js';
import { runApplication } from './run-application.js';
import { failStart, stopOnSignal } from './shutdown.js';

/** Default HTTP port of each service alone, printed at start. */
export const SERVICE_PORTS: Readonly<Record<ServiceName, number>> = {
  registry: 8081,
  'trigger-matcher': 8082,
  'step-executor': 8083,
  invoker: 8084,
  executions: 8085,
  gateway: 8086,
};

/** Runs one service alone on Kafka: the whole of its `main.ts`. Never returns while the service runs; exits 1 when it cannot start. */
export const startService = async ({ name, module }: { name: ServiceName; module: Type }): Promise<void> => {
  let logger = createLogger(name, 'info');
  try {
    const platform = readPlatform({ port: SERVICE_PORTS[name], needs: 'kafka-and-database' });
    logger = createLogger(name, platform.logLevel);
    const log = await openLog(platform, logger, name);
    const { address, stop } = await runApplication([module], platform, log, logger);
    stopOnSignal(logger, async () => {
      await stop();
      await log.close();
    });
    process.stdout.write(`${name} is ready on ${address}\n`);
  } catch (error) {
    failStart(logger, error);
  }
};
