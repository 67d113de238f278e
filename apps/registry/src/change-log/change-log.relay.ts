/**
 * The way from the change log to the topics, written so that nothing saved is ever unsaid (guarantees.md §6).
 *
 * Every write of the registry puts a row into `changes` in its own transaction. The relay publishes waiting rows in the order
 * of their ids and deletes a row once the broker has acknowledged it. There is no "last id" to remember: a transaction that
 * commits late leaves a row with a low id, and it is found because it is there. A crash between acknowledgement and deletion
 * publishes a change twice, which changes nothing.
 *
 * States of a process: away (no session, tries again) – following (has a session, asks for the lock at every look) – leading
 * (has the lock, publishes, and reads its own topics). The lock is Postgres's and dies with the session. A leader that does not
 * know yet that it lost its session may still publish: the next leader sees the old record come by and publishes the present
 * state behind it (`TopicReconciler`).
 *
 * Looks are woken by a notification from each writing transaction; when one is lost, by the clock.
 */
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Database } from '@cf/persistence';
import { Health, LOGGER, Metrics } from '@cf/service-kit';
import type { Logger } from 'pino';
import { REGISTRY_DATABASE } from '../database/registry-database.token.js';
import { REGISTRY_CONFIG, type RegistryConfig } from '../registry.config.js';
import { Acknowledgements } from './acknowledgements.js';
import { PublishChanges } from './publish-changes.js';
import { RelaySession } from './relay-session.js';
import { TopicReconciler } from './topic-reconciler.js';
import { WakeUp } from './wake-up.js';

/** Database and broker are closed behind the relay anyway; what it has not published by then is published at the next start. */
const STOP_MS_MAX = 5_000;

@Injectable()
export class ChangeLogRelay implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly wakeUp = new WakeUp();
  private readonly published;
  private stopping = false;
  /** Said once per outage. */
  private warned = false;
  private state: 'away' | 'following' | 'leading' = 'away';
  private running: Promise<void> = Promise.resolve();

  constructor(
    @Inject(REGISTRY_DATABASE) private readonly database: Database,
    @Inject(REGISTRY_CONFIG) private readonly config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly changes: PublishChanges,
    private readonly reconciler: TopicReconciler,
    private readonly acknowledgements: Acknowledgements,
    health: Health,
    metrics: Metrics,
  ) {
    health.register('change-log', () => ({ ok: this.state !== 'away', detail: this.state }));
    metrics.gauge('cf_registry_relay_leading', '1 while this process publishes the registry', [], (gauge) =>
      gauge.set(this.state === 'leading' ? 1 : 0),
    );
    this.published = metrics.counter('cf_registry_changes_published_total', 'Registry changes acknowledged by the broker');
  }

  onApplicationBootstrap(): void {
    this.running = this.run();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping = true;
    this.wakeUp.ring();
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      this.running,
      new Promise<void>((resolve) => {
        timer = setTimeout(resolve, STOP_MS_MAX);
      }),
    ]);
    clearTimeout(timer);
    await this.changes.close();
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      try {
        await this.runSession();
      } catch (error) {
        if (!this.stopping && !this.warned)
          this.logger.warn({ err: error }, 'the change log relay has no database session and tries to open one');
        this.warned = true;
      }
      if (!this.stopping) await this.wakeUp.wait(this.config.REGISTRY_RELAY_POLL_MS);
    }
  }

  private async runSession(): Promise<void> {
    const session = await RelaySession.open(this.database.pool, {
      appended: () => this.wakeUp.ring(),
      published: (changeId) => this.acknowledgements.published(changeId),
      ended: () => this.wakeUp.ring(),
    });
    try {
      this.state = 'following';
      this.warned = false;
      while (!this.stopping && session.alive) await this.look(session);
    } finally {
      this.state = 'away';
      session.close();
      await this.reconciler.stop();
    }
  }

  private async look(session: RelaySession): Promise<void> {
    if (this.state === 'following' && (await session.tryLead())) {
      this.state = 'leading';
      this.reconciler.start();
    }
    const more = this.state === 'leading' && (await this.publish(session));
    if (!more && !this.stopping) await this.wakeUp.wait(this.config.REGISTRY_RELAY_POLL_MS);
  }

  private async publish(session: RelaySession): Promise<boolean> {
    await session.ping();
    const { published, failure } = await this.changes.round();
    this.published.inc(published);
    if (failure !== null) this.logger.warn({ err: failure }, 'registry changes were not acknowledged and are sent again');
    return published > 0 && failure === null;
  }
}
