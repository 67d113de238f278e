import { publishOrUnavailable } from '@cf/service-kit';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { stepRequests, type StepRequest } from '@cf/contract';
import { MESSAGE_LOG, MessagePublisher, type MessageLog } from '@cf/messaging';
import { GATEWAY_CONFIG, type GatewayConfig } from './gateway.config.js';

@Injectable()
export class StepRequestsPublisher implements OnApplicationShutdown {
  private readonly publisher: MessagePublisher;

  constructor(
    @Inject(MESSAGE_LOG) private readonly log: MessageLog,
    @Inject(GATEWAY_CONFIG) private readonly config: GatewayConfig,
  ) {
    this.publisher = new MessagePublisher(log.createPublisher('gateway.steps', 'step'));
  }

  /** Resolves when the log has acknowledged it. Rejects with a `Problem`. */
  publish(request: StepRequest, traceparent: string | undefined): Promise<void> {
    return publishOrUnavailable(this.log, this.config.GATEWAY_PUBLISH_TIMEOUT_MS, () =>
      this.publisher.publish(stepRequests, request, { ...(traceparent !== undefined && { traceparent }) }),
    );
  }

  async onApplicationShutdown(): Promise<void> {
    await this.publisher.close();
  }
}
