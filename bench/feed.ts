/** What benchmarks put into topics: a backlog as fast as the broker takes it, or a steady rate. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type InvocationRequest, triggerInvocationRequests } from '@cf/contract';
import type { MessageLog, OutgoingRecord } from '@cf/messaging';

const PUBLISHED_AT_ONCE = 5_000;

export const publishAll = async (log: MessageLog, count: number, recordOf: (index: number) => OutgoingRecord): Promise<void> => {
  const publisher = log.createPublisher('feed', 'trigger');
  for (let sent = 0; sent < count; sent += PUBLISHED_AT_ONCE) {
    const size = Math.min(PUBLISHED_AT_ONCE, count - sent);
    await Promise.all(Array.from({ length: size }, (_, index) => publisher.publish(recordOf(sent + index))));
  }
  await publisher.close();
};

/** Calls `send` so often a second, whatever a call takes; late ones are sent as soon as the event loop allows. */
export const atRate = async (perSecond: number, seconds: number, send: (index: number) => void): Promise<void> => {
  const count = Math.floor(perSecond * seconds);
  const startedAt = performance.now();
  for (let sent = 0; sent < count; await pause(1)) {
    for (const due = Math.min(count, Math.floor(((performance.now() - startedAt) / 1_000) * perSecond)); sent < due; sent++) send(sent);
  }
};

export interface TriggerRequest {
  readonly invocationId?: string;
  readonly orgId: string;
  readonly cloudFunctionId: string;
  readonly chatId: string;
  readonly body: string;
  /** Where peers call, which know no registry. */
  readonly path?: string;
}

/** As the trigger-matcher publishes it. */
export const triggerRequestRecord = (of: TriggerRequest): OutgoingRecord => {
  const request: InvocationRequest & { path?: string } = {
    ...triggerInvocationRequests.example,
    invocationId: randomUUID(),
    ...of,
    acceptedAt: new Date().toISOString(),
    configOffset: null,
  };
  return {
    topic: triggerInvocationRequests.name,
    key: of.chatId,
    value: JSON.stringify(request),
    headers: {
      'content-type': 'application/json',
      'org-id': request.orgId,
      'function-id': request.cloudFunctionId,
      'invocation-id': request.invocationId,
      seq: '0',
      'chat-id': of.chatId,
    },
  };
};
