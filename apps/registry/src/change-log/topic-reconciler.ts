import { Inject, Injectable } from '@nestjs/common';
import { MESSAGE_LOG, type MessageLog } from '@cf/messaging';
import type { Database } from '@cf/persistence';
import { LOGGER, Metrics } from '@cf/service-kit';
import type { Logger } from 'pino';
import { REGISTRY_DATABASE } from '../database/registry-database.token.js';
import { REGISTRY_CONFIG, type RegistryConfig } from '../registry.config.js';
import { publishedKinds } from './published-kinds.js';
import { TopicWatch } from './topic-watch.js';

/** Watches the registry's own topics while this process leads. */
@Injectable()
export class TopicReconciler {
  private watches: TopicWatch[] = [];
  private readonly repaired;

  constructor(
    @Inject(REGISTRY_DATABASE) private readonly database: Database,
    @Inject(REGISTRY_CONFIG) private readonly config: RegistryConfig,
    @Inject(MESSAGE_LOG) private readonly log: MessageLog,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.repaired = metrics.counter(
      'cf_registry_topic_repaired_total',
      'Resources whose state in the topic was wrong or missing and was published again',
    );
  }

  start(): void {
    const topics = new Set(publishedKinds.map(({ topic }) => topic.name));
    this.watches = [...topics].map(
      (topic) =>
        new TopicWatch({
          topic,
          kinds: publishedKinds.filter((kind) => kind.topic.name === topic),
          log: this.log,
          database: this.database,
          logger: this.logger,
          tombstoneAfterMs: this.config.REGISTRY_TOMBSTONE_AFTER_MS,
          onRepaired: (resources) => this.repaired.inc(resources),
        }),
    );
  }

  async stop(): Promise<void> {
    const watches = this.watches.splice(0);
    await Promise.all(watches.map((watch) => watch.close()));
  }
}
