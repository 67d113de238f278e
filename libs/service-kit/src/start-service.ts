import type { Type } from '@nestjs/common';
import type { ServiceName } from '@cf/contract';
import { exportTraces } from './export-traces.js';
import { openLog } from './open-log.js';
import { readPlatform } from './platform.config.js';
import { runApplication } from './run-application.js';
import { runProgram } from './run-program.js';

/** Default HTTP port of each service alone, printed at start. */
export const SERVICE_PORTS: Readonly<Record<ServiceName, number>> = {
  registry: 8081,
  'trigger-matcher': 8082,
  'step-executor': 8083,
  invoker: 8084,
  executions: 8085,
  gateway: 8086,
};

/** Only they open secrets (guarantees.md §6); the others start without a key ring. */
const KEY_HOLDERS: ReadonlySet<ServiceName> = new Set(['registry', 'invoker']);

/** Runs one service alone on Kafka: the whole of its `main.ts`. */
export const startService = ({ name, module }: { name: ServiceName; module: Type }): Promise<void> =>
  runProgram(name, async ({ logger, atEnd }) => {
    const platform = readPlatform({ port: SERVICE_PORTS[name], needs: 'kafka-and-database', holdsKeys: KEY_HOLDERS.has(name) });
    logger.level = platform.logLevel;
    atEnd(exportTraces(platform, name));
    const log = await openLog(platform, logger, name);
    atEnd(() => log.close());
    const { address, stop } = await runApplication([module], platform, log, logger);
    atEnd(stop);
    process.stdout.write(`${name} is ready on ${address}\n`);
  });
