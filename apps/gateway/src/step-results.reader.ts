import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { messageHeader, sameId, stepResults } from '@cf/contract';
import { MESSAGE_LOG, type LogReader, type LogRecord, type MessageLog } from '@cf/messaging';
import { Health, logUnavailable, Metrics } from '@cf/service-kit';
import { FirstResults } from './first-results.js';
import { GATEWAY_CONFIG, type GatewayConfig } from './gateway.config.js';
import { WaitingRoom } from './waiting-room.js';

type Deliver = (result: Buffer | null) => void;

export interface StepWaiter {
  /** The result as it was written; null once the time is over or the waiter was freed. */
  until(deadlineMs: number): Promise<Buffer | null>;
  free(): void;
}

const keyOf = (orgId: string, requestId: string): string => `${sameId(orgId)}/${sameId(requestId)}`;

/**
 * Reads all step results from the end on, without a group: any replica may hold the connection that waits for one. Headers tell
 * whose a result is, so that the results of other replicas cost no parsing.
 */
@Injectable()
export class StepResultsReader implements OnModuleInit, OnApplicationShutdown {
  private readonly waiting = new Map<string, Set<Deliver>>();
  private readonly first: FirstResults;
  private readonly room: WaitingRoom;
  private reader: LogReader | undefined;
  private isPositioned = false;
  private readonly ends;

  constructor(
    @Inject(MESSAGE_LOG) private readonly log: MessageLog,
    @Inject(GATEWAY_CONFIG) config: GatewayConfig,
    health: Health,
    metrics: Metrics,
  ) {
    this.first = new FirstResults(config.GATEWAY_RECENT_RESULTS_MAX);
    this.room = new WaitingRoom('steps', {
      all: config.GATEWAY_WAITING_STEPS_MAX,
      ofOrganization: config.GATEWAY_WAITING_STEPS_OF_ORGANIZATION_MAX,
    });
    health.register('step-results', () => ({
      ok: this.isPositioned,
      detail: this.isPositioned ? `${this.room.size} steps wait` : 'looking for the end of the step results',
    }));
    this.ends = metrics.counter('cf_gateway_step_executions_total', 'Step executions over HTTP by how their wait ended', ['end']);
    metrics.gauge('cf_gateway_waiting_steps', 'Step executions that wait for their result', [], (gauge) => gauge.set(this.room.size));
  }

  onModuleInit(): void {
    this.reader = this.log.read({
      topic: stepResults.name,
      from: 'end',
      onRecords: (_partition, records) => records.forEach((record) => this.read(record)),
    });
    this.reader.positioned.then(
      () => (this.isPositioned = true),
      // Closed before it got there.
      () => undefined,
    );
  }

  async onApplicationShutdown(): Promise<void> {
    for (const waiters of this.waiting.values()) for (const deliver of waiters) deliver(null);
    await this.reader?.close();
  }

  /** Waits from now on, so it is called before the request is published. Throws a `Problem` when no more can wait. */
  expect(orgId: string, requestId: string): StepWaiter {
    if (!this.isPositioned) throw logUnavailable('The step results cannot be read yet; try again.');
    this.room.check(orgId, 1);
    const key = keyOf(orgId, requestId);
    let deliver: Deliver = () => undefined;
    const result = new Promise<Buffer | null>((resolve) => (deliver = resolve));
    this.waiting.set(key, (this.waiting.get(key) ?? new Set()).add(deliver));
    this.room.enter(orgId, 1);
    let timer: NodeJS.Timeout | undefined;
    return {
      until: async (deadlineMs) => {
        timer = setTimeout(() => deliver(null), Math.max(0, deadlineMs - Date.now()));
        const came = await result;
        this.ends.inc({ end: came === null ? 'no_result' : 'answered' });
        return came;
      },
      free: () => {
        clearTimeout(timer);
        deliver(null);
        if (this.forget(key, deliver)) this.room.leave(orgId, 1);
      },
    };
  }

  private forget(key: string, deliver: Deliver): boolean {
    const waiters = this.waiting.get(key);
    const waited = waiters?.delete(deliver) === true;
    if (waiters?.size === 0) this.waiting.delete(key);
    return waited;
  }

  private read({ headers, value, timestampMs }: LogRecord): void {
    const [orgId, requestId] = [headers[messageHeader.orgId], headers[messageHeader.requestId]];
    if (orgId === undefined || requestId === undefined || value === null) return;
    const key = keyOf(orgId, requestId);
    const result = this.first.firstOf(key, value, timestampMs);
    for (const deliver of this.waiting.get(key) ?? []) deliver(result);
  }
}
