import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { createLogger } from './logger.js';

/** Exit 0 within 40 s of SIGTERM (wire.md §1), whatever hangs: what is left uncommitted is done again elsewhere. */
const SHUTDOWN_MS_MAX = 38_000;
/** A start that goes well is over by then; one that waits for a database or a broker is broken off. */
const START_GRACE_MS = 5_000;

export interface Program {
  /** Its level follows the settings once they are read. */
  readonly logger: Logger;
  /** Hands over how to close what is open from now on, or will be; called in reverse order at the end. */
  atEnd(close: () => Promise<void>): void;
}

/**
 * Runs a program from the first moment of its start to its end, and exits.
 *
 * SIGTERM and SIGINT close what `start` opened, also while it is still starting, and exit 0; further signals change nothing, so a
 * second SIGTERM never shortens the drain. A launcher that dies without a signal (kill -9) counts as SIGTERM. A start that fails closes what it
 * had opened, says why in a last line that names a bad setting, and exits 1.
 */
export const runProgram = async (name: string, start: (program: Program) => Promise<void>): Promise<void> => {
  const logger = createLogger(name, 'info');
  const opened: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (let next = opened.pop(); next !== undefined; next = opened.pop()) await next();
  };
  let stopping = false;
  const started = Promise.resolve().then(() => start({ logger, atEnd: (next) => opened.push(next) }));

  const stop = (reason: string): void => {
    if (stopping) return;
    stopping = true;
    logger.info({ reason }, 'draining');
    setTimeout(() => {
      logger.warn('the drain took too long; what is left is uncommitted');
      process.exit(0);
    }, SHUTDOWN_MS_MAX).unref();
    Promise.race([started.catch(() => undefined), delay(START_GRACE_MS)])
      .then(close)
      .then(
        () => process.exit(0),
        (error: unknown) => {
          logger.error({ err: error }, 'stopping failed');
          process.exit(1);
        },
      );
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  if (process.channel !== undefined) {
    process.channel?.unref();
    process.on('disconnect', () => stop('the launcher is gone'));
  }

  try {
    await started;
  } catch (error) {
    if (stopping) return;
    await Promise.race([close().catch(() => undefined), delay(SHUTDOWN_MS_MAX)]);
    failStart(logger, error);
  }
};

/** Settings and surroundings are the operator's to put right, so they are told without a stack. */
const failStart = (logger: Logger, error: unknown): never => {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof Error && error.name === 'InvalidSettingsError')) logger.fatal({ err: error }, 'the start failed');
  process.stderr.write(`Cannot start: ${message}\n`);
  process.exit(1);
};
