import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ExecutionsDatabase } from './database/executions-database.js';
import { Partitions } from './database/partitions.js';
import { BacklogMetrics } from './due/backlog-metrics.js';
import { Claimer } from './due/claimer.js';
import { TriggerChanges } from './due/trigger-changes.js';
import { HealthFolder } from './health/health-folder.js';
import { NotificationFeed } from './notifications/notification-feed.js';
import { NotificationSender } from './notifications/notification-sender.js';
import { TestRunner } from './test-invocations/run-test.js';
import { ExecutionFeed } from './stream/execution-feed.js';
import { OpenStreams } from './stream/open-streams.js';
import { ClockWatch } from './retention/clock-watch.js';
import { Retention } from './retention/retention.js';
import { ReplaySettler } from './replays/replay-settler.js';
import { Replayer } from './replays/replayer.js';

/** What uses the database ends before it; Nest would close them side by side. */
@Injectable()
export class ExecutionsShutdown implements OnApplicationShutdown {
  constructor(
    private readonly claimer: Claimer,
    private readonly triggerChanges: TriggerChanges,
    private readonly partitions: Partitions,
    private readonly backlog: BacklogMetrics,
    private readonly tests: TestRunner,
    private readonly feed: ExecutionFeed,
    private readonly healthFolder: HealthFolder,
    private readonly notificationFeed: NotificationFeed,
    private readonly notificationSender: NotificationSender,
    private readonly streams: OpenStreams,
    private readonly replayer: Replayer,
    private readonly replaySettler: ReplaySettler,
    private readonly retention: Retention,
    private readonly clock: ClockWatch,
    private readonly database: ExecutionsDatabase,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    this.streams.stop();
    const users = [
      this.claimer,
      this.triggerChanges,
      this.partitions,
      this.backlog,
      this.tests,
      this.feed,
      this.healthFolder,
      this.notificationFeed,
      this.notificationSender,
      this.replayer,
      this.replaySettler,
      this.retention,
      this.clock,
    ];
    await Promise.all(users.map((user) => user.stop()));
    await this.database.stop();
  }
}
