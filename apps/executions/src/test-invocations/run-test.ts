import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { type InvocationRequest, sameId, triggerInvocationRequests } from '@cf/contract';
import { MESSAGE_LOG, type MessageLog, MessagePublisher } from '@cf/messaging';
import { Metrics, Problem, publishOrUnavailable } from '@cf/service-kit';
import { ExecutionsRepository } from '../query/executions.repository.js';
import type { ExecutionDetail } from '../query/execution-view.js';

/** Kafka answers in ms; a person waits. */
const PUBLISH_TIMEOUT_MS = 5_000;
/** Beside the function's timeout: two hops, a queue behind triggers, and the recorder. */
const MARGIN_MS = 5_000;
/** Between looks at the row: soon at first, seldom once it takes long. */
const LOOK_MS = { first: 20, factor: 1.5, max: 500 } as const;
/** People who test at once; each looks at the database twice a second. */
const WAITING_MAX = 100;
/** Of one organization: a function that hangs holds each for half a minute, and others want to test too. */
const WAITING_PER_ORGANIZATION_MAX = 10;

/**
 * Sends a test by the same topics as everything else and waits until it is recorded. The row is read from the database, so any replica
 * can wait for it.
 */
@Injectable()
export class TestRunner {
  private readonly publisher: MessagePublisher;
  private readonly stopping = new AbortController();
  private readonly tests;
  private readonly waiting: string[] = [];

  constructor(
    @Inject(MESSAGE_LOG) private readonly log: MessageLog,
    private readonly executions: ExecutionsRepository,
    metrics: Metrics,
  ) {
    this.publisher = new MessagePublisher(log.createPublisher('executions.test', 'trigger'));
    this.tests = metrics.counter('cf_test_invocations_total', 'Test invocations by kind, and whether they ended while somebody waited', [
      'kind',
      'answered',
    ]);
  }

  /** The execution once it has ended; null when it has not in time. Rejects with a `Problem` when it was not sent. */
  async run(request: InvocationRequest, timeoutMs: number, traceparent: string | undefined): Promise<ExecutionDetail | null> {
    const organization = sameId(request.orgId);
    this.admit(organization);
    this.waiting.push(organization);
    try {
      await publishOrUnavailable(this.log, PUBLISH_TIMEOUT_MS, () =>
        this.publisher.publish(triggerInvocationRequests, request, { ...(traceparent !== undefined && { traceparent }) }),
      );
      const ended = await this.ended(request, Date.now() + timeoutMs + MARGIN_MS);
      this.tests.inc({ kind: request.kind, answered: String(ended !== null) });
      return ended;
    } finally {
      this.waiting.splice(this.waiting.indexOf(organization), 1);
    }
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.publisher.close();
  }

  private admit(organization: string): void {
    const retry = { 'retry-after': '1' };
    if (this.waiting.filter((one) => one === organization).length >= WAITING_PER_ORGANIZATION_MAX) {
      throw new Problem(429, 'too_many_requests', `${WAITING_PER_ORGANIZATION_MAX} tests are running already.`, [], retry);
    }
    if (this.waiting.length >= WAITING_MAX) throw new Problem(503, 'too_busy', 'Too many tests wait for their result here.', [], retry);
  }

  private async ended({ orgId, invocationId }: InvocationRequest, untilMs: number): Promise<ExecutionDetail | null> {
    for (let lookMs: number = LOOK_MS.first; Date.now() < untilMs; lookMs = Math.min(LOOK_MS.max, lookMs * LOOK_MS.factor)) {
      await delay(lookMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
      if (this.stopping.signal.aborted) return null;
      const detail = await this.executions.find(orgId, invocationId);
      if (detail !== null && detail.row.completedAt !== null) return detail;
    }
    return null;
  }
}
