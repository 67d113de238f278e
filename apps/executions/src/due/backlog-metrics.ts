import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Metrics } from '@cf/service-kit';
import { DueRepository } from './due.repository.js';

/** Between two scrapes of a usual Prometheus. */
const LOOK_EVERY_MS = 10_000;
/** Beyond this the figure says "many"; counting further would cost Postgres more than it tells. */
const COUNT_MAX = 100_000;

@Injectable()
export class BacklogMetrics implements OnApplicationBootstrap {
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> = Promise.resolve();
  private readonly waiting;
  private readonly oldest;

  constructor(
    private readonly due: DueRepository,
    metrics: Metrics,
  ) {
    this.waiting = metrics.gauge('cf_executions_due_waiting', `Invocations in the due table, counted up to ${COUNT_MAX}`);
    this.oldest = metrics.gauge(
      'cf_executions_due_oldest_age_seconds',
      'How long the oldest due invocation is overdue; held functions are left out',
    );
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.looking = this.look();
    }, LOOK_EVERY_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
  }

  private async look(): Promise<void> {
    try {
      const { waiting, oldestAgeSeconds } = await this.due.backlog(COUNT_MAX);
      this.waiting.set(waiting);
      this.oldest.set(oldestAgeSeconds);
    } catch {
      // Health says that Postgres is away; the last figures stay.
    }
  }
}
