import type { Logger } from 'pino';

/** Exit 0 within 40 s of SIGTERM (wire.md §1), whatever hangs: what is left uncommitted is done again elsewhere. */
const SHUTDOWN_MS_MAX = 38_000;

/**
 * Runs `stop` at the first SIGTERM or SIGINT and exits 0. Further signals change nothing: a second SIGTERM never shortens the
 * drain. A launcher that dies without a signal (kill -9) counts as SIGTERM.
 */
export const stopOnSignal = (logger: Logger, stop: () => Promise<void>): void => {
  let stopping = false;
  const begin = (reason: string): void => {
    if (stopping) return;
    stopping = true;
    logger.info({ reason }, 'draining');
    setTimeout(() => {
      logger.warn('the drain took too long; what is left is uncommitted');
      process.exit(0);
    }, SHUTDOWN_MS_MAX).unref();
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => begin('SIGTERM'));
  process.on('SIGINT', () => begin('SIGINT'));
  if (process.channel !== undefined) {
    process.channel?.unref();
    process.on('disconnect', () => begin('the launcher is gone'));
  }
};

/** Says why a start failed, in one line that names a bad setting, and exits 1. */
export const failStart = (logger: Logger, error: unknown): never => {
  const wrong = error instanceof Error && error.name === 'InvalidSettingsError';
  if (wrong) process.stderr.write(`Cannot start: ${error.message}\n`);
  else logger.fatal({ err: error }, `cannot start: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
};
