import type { LogStatus } from '../log.js';
import type { KafkaSettings } from './kafka-log-options.js';

/** A leader that moves or a topic just made fails once or twice; what lasts longer is worth an operator's attention. */
const GRACE_MS = 1_000;

interface Failure {
  error: string;
  readonly sinceMs: number;
  logged: boolean;
}

/** What every connection of the log last went through, so that health checks are answered without asking a broker. */
export class ConnectionHealth {
  readonly #failures = new Map<string, Failure>();
  readonly #working = new Set<string>();

  constructor(private readonly settings: Pick<KafkaSettings, 'brokers' | 'log'>) {}

  works(part: string): void {
    this.#working.add(part);
    this.clear(part);
  }

  /** The failure of a part is over. */
  clear(part: string): void {
    if (this.#failures.get(part)?.logged) this.settings.log('info', `Kafka works again for ${part}`, {});
    this.#failures.delete(part);
  }

  fails(part: string, error: unknown): void {
    this.#working.delete(part);
    const failure = this.#failures.get(part) ?? { error: '', sinceMs: Date.now(), logged: false };
    failure.error = error instanceof Error ? error.message : String(error);
    this.#failures.set(part, failure);
    if (failure.logged || !this.#lasts(failure)) return;
    failure.logged = true;
    this.settings.log('warn', `Kafka fails for ${part}`, { error: failure.error });
  }

  /** A closed connection, with its partitions. */
  forget(connection: string): void {
    this.#working.delete(connection);
    for (const part of this.#failures.keys()) if (part === connection || part.startsWith(`${connection}, `)) this.#failures.delete(part);
  }

  status(): LogStatus {
    const brokers = this.settings.brokers.join(', ');
    const failures = [...this.#failures].filter(([, failure]) => this.#lasts(failure));
    if (failures[0] !== undefined) {
      const [part, { error, sinceMs }] = failures[0];
      const more = failures.length > 1 ? ` (and ${failures.length - 1} more)` : '';
      return { ok: false, detail: `Kafka (${brokers}) fails for ${part}${more} since ${new Date(sinceMs).toISOString()}: ${error}` };
    }
    if (this.#working.size === 0) return { ok: false, detail: `Kafka (${brokers}) was not reached yet` };
    return { ok: true, detail: `connected to Kafka (${brokers}), ${this.#working.size} connections in use` };
  }

  #lasts({ sinceMs }: Failure): boolean {
    return Date.now() - sinceMs >= GRACE_MS;
  }
}
