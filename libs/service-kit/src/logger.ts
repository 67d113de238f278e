import type { LoggerService } from '@nestjs/common';
import { pino, type Logger } from 'pino';

/** Nest token of the process's logger. */
export const LOGGER = Symbol('LOGGER');

/** Nobody logs these on purpose; should an error or a request carry one along, it does not get out. */
const SECRET_FIELDS = ['authorization', 'cookie', 'password', 'token', 'secret', 'clientSecret', 'keyValue', 'sasl', 'body'];
const SECRET_PATHS = SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]);

/** One JSON line per entry on standard error, so that standard output stays what a program prints for people. */
export const createLogger = (service: string, level: string): Logger =>
  pino(
    {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_PATHS, censor: '***' },
    },
    pino.destination({ dest: 2, sync: true }),
  );

/** Nest's own entries through pino. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...rest: unknown[]): void {
    this.logger.debug(this.fields(rest), String(message));
  }
  warn(message: unknown, ...rest: unknown[]): void {
    this.logger.warn(this.fields(rest), String(message));
  }
  error(message: unknown, ...rest: unknown[]): void {
    if (message instanceof Error) this.logger.error({ ...this.fields(rest), err: message }, message.message);
    else this.logger.error(this.fields(rest), String(message));
  }
  debug(message: unknown, ...rest: unknown[]): void {
    this.logger.debug(this.fields(rest), String(message));
  }
  verbose(message: unknown, ...rest: unknown[]): void {
    this.logger.trace(this.fields(rest), String(message));
  }

  private fields(rest: unknown[]): Record<string, unknown> {
    const context = rest.at(-1);
    const stack = rest.length > 1 ? rest[0] : undefined;
    return { ...(typeof context === 'string' ? { context } : {}), ...(typeof stack === 'string' ? { stack } : {}) };
  }
}
