import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { Database } from '@cf/persistence';
import { gaugeDatabase, Health, Metrics, PLATFORM, type PlatformConfig } from '@cf/service-kit';
import { type EntityManager, QueryFailedError } from 'typeorm';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import { CreateIdempotencyKeys1764300000900 } from './migrations/create-idempotency-keys.migration.js';
import { CreateExecutions1764000000000 } from './migrations/create-executions.migration.js';
import { AttemptsOneIndex1764300000100 } from './migrations/attempts-one-index.migration.js';
import { PauseAndWindows1764300000000 } from './migrations/pause-and-windows.migration.js';
import { FailureLevelsEnd1764300007200 } from './migrations/failure-levels-end.migration.js';
import { FunctionHealth1764300001100 } from './migrations/function-health.migration.js';
import { HeldByPriority1764300007000 } from './migrations/held-by-priority.migration.js';
import { LookUpByDay1764300006100 } from './migrations/look-up-by-day.migration.js';
import { NameDeadLetters1764300007110 } from './migrations/name-dead-letters.migration.js';
import { NotificationWebhooks1764300005100 } from './migrations/notification-webhooks.migration.js';
import { IndexUnsuccessful1764300000300 } from './migrations/index-unsuccessful.migration.js';
import { NoteExecutionChanges1764300000700 } from './migrations/note-execution-changes.migration.js';
import { ResendDeadLetters1764300000500 } from './migrations/resend-dead-letters.migration.js';
import { ErasedChats1764300000400 } from './migrations/erased-chats.migration.js';
import { OpenCircuits1764300007300 } from './migrations/open-circuits.migration.js';
import { PausedDueRows1764300000600 } from './migrations/paused-due-rows.migration.js';
import { ReplayTurns1764300005200 } from './migrations/replay-turns.migration.js';
import { ReplayItemsEnded1764300007001 } from './migrations/replay-items-ended.migration.js';
import { PrunedNotifications1764300007310 } from './migrations/pruned-notifications.migration.js';
import { Replays1764300000200 } from './migrations/replays.migration.js';
import { SentAt1764300007100 } from './migrations/sent-at.migration.js';
import { UnsentDeliveries1764300007120 } from './migrations/unsent-deliveries.migration.js';
import { StatementRefused } from './statement-refused.js';

const forgetParameters = (error: unknown): never => {
  if (!(error instanceof QueryFailedError)) throw error;
  const { code } = error.driverError as { code?: unknown };
  throw new StatementRefused(typeof code === 'string' ? code : 'unknown', error.message);
};

/** The schema `executions`. Closed by `ExecutionsShutdown`, after what uses it. */
@Injectable()
export class ExecutionsDatabase extends Database implements OnModuleInit {
  constructor(
    @Inject(PLATFORM) platform: PlatformConfig,
    @Inject(EXECUTIONS_CONFIG) config: ExecutionsConfig,
    health: Health,
    metrics: Metrics,
  ) {
    super({
      url: platform.databaseUrl,
      schema: 'executions',
      entities: [],
      migrations: [
        CreateExecutions1764000000000,
        PauseAndWindows1764300000000,
        AttemptsOneIndex1764300000100,
        Replays1764300000200,
        IndexUnsuccessful1764300000300,
        ErasedChats1764300000400,
        ResendDeadLetters1764300000500,
        PausedDueRows1764300000600,
        NoteExecutionChanges1764300000700,
        CreateIdempotencyKeys1764300000900,
        FunctionHealth1764300001100,
        NotificationWebhooks1764300005100,
        ReplayTurns1764300005200,
        LookUpByDay1764300006100,
        HeldByPriority1764300007000,
        ReplayItemsEnded1764300007001,
        SentAt1764300007100,
        NameDeadLetters1764300007110,
        UnsentDeliveries1764300007120,
        FailureLevelsEnd1764300007200,
        OpenCircuits1764300007300,
        PrunedNotifications1764300007310,
      ],
      name: 'executions',
      connectionsMax: config.EXECUTIONS_CONNECTIONS_MAX,
    });
    health.register('executions-database', () => this.status());
    gaugeDatabase(metrics, 'executions', this);
  }

  override tenant<T>(orgId: string, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return super.tenant(orgId, work).catch(forgetParameters);
  }

  override tenantMoment<T>(orgId: string, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return super.tenantMoment(orgId, work).catch(forgetParameters);
  }

  override system<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return super.system(work).catch(forgetParameters);
  }

  override owner<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return super.owner(work).catch(forgetParameters);
  }

  async onModuleInit(): Promise<void> {
    await this.start();
  }
}
