/**
 * Sends notifications to the cloud functions that take them, as invocations of the trigger lane: from there on they are called, signed,
 * retried, paused and recorded like any other, and nothing waits for a receiver here.
 *
 * - The folder of health plans a delivery in the transaction that makes its notification, so there is one for each.
 * - Any number of processes send: a delivery is leased, published, and marked. A crash between the last two publishes the same
 *   (invocation, seq) again, which the invoker drops.
 */
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { type InvocationRequest, triggerInvocationRequests, writeTime } from '@cf/contract';
import { MESSAGE_LOG, type MessageLog, MessagePublisher } from '@cf/messaging';
import { RegistryCache } from '@cf/registry-cache';
import { LOGGER, Metrics } from '@cf/service-kit';
import type { Logger } from 'pino';
import { BackgroundTurns } from '../background-turns.js';
import { type DueDelivery, NotificationDeliveries } from './notification-deliveries.repository.js';
import { eventTypeOf, webhookBody } from './notification-webhook.js';

/** Notifications are for people: a second is soon enough. */
const LOOK_EVERY_MS = 1_000;
const AT_ONCE = 100;
const BACK_OFF_MS = 5_000;

@Injectable()
export class NotificationSender implements OnApplicationBootstrap {
  private readonly publisher: MessagePublisher;
  private readonly sent;
  private readonly turns = new BackgroundTurns(
    () => this.turn(),
    (error) => this.logger.warn({ err: error }, 'notifications are sent later'),
    BACK_OFF_MS,
  );

  constructor(
    @Inject(MESSAGE_LOG) log: MessageLog,
    private readonly deliveries: NotificationDeliveries,
    private readonly registry: RegistryCache,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.publisher = new MessagePublisher(log.createPublisher('executions.notifications', 'trigger'));
    this.sent = metrics.counter('cf_notification_deliveries_total', 'Notifications sent to the functions that take them, by type', [
      'type',
    ]);
  }

  onApplicationBootstrap(): void {
    this.turns.start();
  }

  async stop(): Promise<void> {
    await this.turns.stop();
    await this.publisher.close();
  }

  private async turn(): Promise<number> {
    return (await this.sendDue()) < AT_ONCE ? LOOK_EVERY_MS : 0;
  }

  private async sendDue(): Promise<number> {
    const due = await this.deliveries.take(AT_ONCE);
    const outcomes = await Promise.allSettled(
      due.map((delivery) => this.publisher.publish(triggerInvocationRequests, this.requestOf(delivery))),
    );
    const sent = due.filter((_, place) => outcomes[place]?.status === 'fulfilled');
    await this.deliveries.markSent(sent.map(({ invocationId }) => invocationId));
    for (const { type } of sent) this.sent.inc({ type });
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return due.length;
  }

  private requestOf(delivery: DueDelivery): InvocationRequest {
    const { invocationId, orgId, calledFunctionId, id, type } = delivery;
    return {
      invocationId,
      seq: 0,
      attempt: 1,
      origin: 'automatic',
      kind: 'trigger',
      test: false,
      orgId,
      cloudFunctionId: calledFunctionId,
      triggerId: null,
      event: { id, type: eventTypeOf(type) },
      step: null,
      chatId: null,
      body: webhookBody(delivery),
      acceptedAt: writeTime(Date.now()),
      deadline: null,
      configOffset: this.registry.position,
      retryUntil: null,
    };
  }
}
