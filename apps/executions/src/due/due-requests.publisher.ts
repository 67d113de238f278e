import { Inject, Injectable } from '@nestjs/common';
import { invocationRequest, type InvocationRequest, triggerInvocationRequests } from '@cf/contract';
import { MESSAGE_LOG, MessagePublisher, type MessageLog } from '@cf/messaging';
import { RegistryCache } from '@cf/registry-cache';
import type { Claim } from './due.repository.js';

/** The request was not kept whole, or cannot be read any more. */
export class RequestNotKept extends Error {
  readonly retryable = false;
}

@Injectable()
export class DueRequestsPublisher {
  private readonly publisher: MessagePublisher;

  constructor(
    @Inject(MESSAGE_LOG) log: MessageLog,
    private readonly registry: RegistryCache,
  ) {
    this.publisher = new MessagePublisher(log.createPublisher('executions', 'trigger'));
  }

  /** Sends the request as it was accepted, with its own place in the sequence and the configuration of today. */
  async publish(claim: Claim): Promise<void> {
    await this.publisher.publish(triggerInvocationRequests, this.requestOf(claim));
  }

  close(): Promise<void> {
    return this.publisher.close();
  }

  private requestOf({ envelope, body, seq, attempt, origin, retryUntil }: Claim): InvocationRequest {
    if (envelope === null || body === null) throw new RequestNotKept('the request was not kept, so it cannot be sent again');
    const kept: unknown = JSON.parse(envelope);
    return invocationRequest.parse({ ...(kept as object), body, seq, attempt, origin, retryUntil, configOffset: this.registry.position });
  }
}
