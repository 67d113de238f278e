import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { chatEvents, messageHeader } from '@cf/contract';
import { MESSAGE_LOG, MessagePublisher, type MessageLog } from '@cf/messaging';
import { Metrics, publishOrUnavailable } from '@cf/service-kit';
import { GATEWAY_CONFIG, type GatewayConfig } from './gateway.config.js';
import type { ReceivedEvent } from './read-chat-events.js';
import { WaitingRoom } from './waiting-room.js';

export interface EventOrigin {
  readonly traceparent: string | undefined;
  /** The invocation whose function made these events, when the caller says so. */
  readonly causedBy: string | null;
}

@Injectable()
export class ChatEventsPublisher implements OnApplicationShutdown {
  private readonly publisher: MessagePublisher;
  private readonly accepted;
  private readonly room: WaitingRoom;

  constructor(
    @Inject(MESSAGE_LOG) private readonly log: MessageLog,
    @Inject(GATEWAY_CONFIG) private readonly config: GatewayConfig,
    metrics: Metrics,
  ) {
    this.room = new WaitingRoom('events', {
      all: config.GATEWAY_UNACKNOWLEDGED_BYTES_MAX,
      ofOrganization: config.GATEWAY_UNACKNOWLEDGED_BYTES_OF_ORGANIZATION_MAX,
    });
    this.publisher = new MessagePublisher(log.createPublisher('gateway.events', 'trigger'));
    this.accepted = metrics.counter('cf_gateway_events_accepted_total', 'Chat events that the log has acknowledged');
    metrics.gauge('cf_gateway_unacknowledged_bytes', 'Bytes of events that wait to be acknowledged', [], (gauge) =>
      gauge.set(this.room.size),
    );
  }

  /** Resolves when the log has acknowledged all of them, byte for byte as they came. Rejects with a `Problem`. */
  async publish(orgId: string, events: readonly ReceivedEvent[], { traceparent, causedBy }: EventOrigin): Promise<void> {
    const bytes = events.reduce((sum, event) => sum + event.bytes.length, 0);
    this.room.check(orgId, bytes);
    const headers: Record<string, string> = causedBy === null ? {} : { [messageHeader.causedBy]: causedBy };
    await publishOrUnavailable(this.log, this.config.GATEWAY_PUBLISH_TIMEOUT_MS, () => {
      this.room.enter(orgId, bytes);
      const written = events.map((event) =>
        this.publisher.publish(chatEvents, event.event, {
          text: event.bytes.toString('utf8'),
          headers,
          ...(traceparent !== undefined && { traceparent }),
        }),
      );
      // Bytes that time out for the caller are still in memory until the log has answered for each of them.
      void Promise.allSettled(written).then(() => this.room.leave(orgId, bytes));
      return Promise.all(written);
    });
    this.accepted.inc(events.length);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.publisher.close();
  }
}
