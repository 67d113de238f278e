import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { Database } from '@cf/persistence';
import { Health, PLATFORM, type PlatformConfig } from '@cf/service-kit';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import { CreateExecutions1764000000000 } from './migrations/create-executions.migration.js';

/** The schema `executions`. Closed by `ExecutionsShutdown`, after what uses it. */
@Injectable()
export class ExecutionsDatabase extends Database implements OnModuleInit {
  constructor(@Inject(PLATFORM) platform: PlatformConfig, @Inject(EXECUTIONS_CONFIG) config: ExecutionsConfig, health: Health) {
    super({
      url: platform.databaseUrl,
      schema: 'executions',
      entities: [],
      migrations: [CreateExecutions1764000000000],
      name: 'executions',
      connectionsMax: config.EXECUTIONS_CONNECTIONS_MAX,
    });
    health.register('executions-database', () => this.status());
  }

  async onModuleInit(): Promise<void> {
    await this.start();
  }
}
