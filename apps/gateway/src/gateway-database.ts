import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { idempotencyTable, type KeysDatabase } from '@cf/idempotency';
import { createDatabase, type Database, DatabaseError } from '@cf/persistence';
import { Health, LOGGER, PLATFORM, type PlatformConfig } from '@cf/service-kit';
import type { Logger } from 'pino';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Keyed requests are few, and each takes two short statements. */
const CONNECTIONS_MAX = 4;
/** Whoever asks with a key waits no longer for a database that is away. */
const OPEN_WITHIN_MS = 3_000;

class CreateIdempotencyKeys1764400000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of idempotencyTable()) await runner.query(statement);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward'));
  }
}

/**
 * The schema `gateway`, with the idempotency keys and nothing else. Only requests with a key ask it, so the gateway starts, is ready
 * and passes everything else on while it is away.
 */
@Injectable()
export class GatewayDatabase implements KeysDatabase, OnApplicationBootstrap, OnApplicationShutdown {
  private readonly database: Database;
  private opening: Promise<void> | null = null;
  private readonly isKnown: boolean;

  constructor(
    @Inject(PLATFORM) platform: PlatformConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    health: Health,
  ) {
    this.isKnown = platform.databaseUrl !== '';
    this.database = createDatabase({
      url: platform.databaseUrl,
      schema: 'gateway',
      entities: [],
      migrations: [CreateIdempotencyKeys1764400000001],
      name: 'gateway',
      connectionsMax: CONNECTIONS_MAX,
      startTimeoutMs: OPEN_WITHIN_MS,
    });
    health.register('gateway-database', () => ({ ok: true, detail: `${this.database.status().detail}; needed for idempotency keys only` }));
  }

  onApplicationBootstrap(): void {
    if (this.isKnown)
      void this.opened().catch((error: unknown) => this.logger.warn({ err: error }, 'requests with an Idempotency-Key get 503'));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.opening?.catch(() => undefined);
    await this.database.stop();
  }

  async query<R>(sql: string, params?: unknown[]): Promise<R[]> {
    await this.opened();
    return this.database.query<R>(sql, params);
  }

  private opened(): Promise<void> {
    if (!this.isKnown) return Promise.reject(new DatabaseError('database_unavailable', 'there is no DATABASE_URL', true));
    this.opening ??= this.database.start().catch((error: unknown) => {
      this.opening = null;
      throw error;
    });
    return this.opening;
  }
}
