import { auditEvents } from './audit-event.js';
import { chatEvents } from './chat-event.js';
import { deadLetters } from './dead-letter.js';
import { stepInvocationRequests, triggerInvocationRequests } from './invocation-request.js';
import { stepInvocationResults, triggerInvocationResults } from './invocation-result.js';
import { registryChanges, registryTriggers } from './registry-change.js';
import { stepRequests } from './step-request.js';
import { stepResults } from './step-result.js';
import type { Topic } from './topic.js';

export type ServiceName = 'registry' | 'trigger-matcher' | 'step-executor' | 'invoker' | 'executions' | 'gateway';
export type Party = ServiceName | 'chat platform' | 'bot runtime' | 'ops';

/**
 * The flow as data: who writes each topic and who reads it, with a consumer group (`consumers`) or without one (`readers`).
 * Topic creation, the boot check for handlers and the table in ARCHITECTURE.md come from this list or are tested against it.
 */
export interface Flow {
  readonly topic: Topic;
  readonly producers: readonly Party[];
  readonly consumers: readonly Party[];
  readonly readers: readonly Party[];
}

const everyService = ['registry', 'trigger-matcher', 'step-executor', 'invoker', 'executions', 'gateway'] as const;

export const flows: readonly Flow[] = [
  { topic: chatEvents, producers: ['chat platform', 'gateway'], consumers: ['trigger-matcher'], readers: [] },
  { topic: stepRequests, producers: ['bot runtime', 'gateway'], consumers: ['step-executor'], readers: [] },
  { topic: stepResults, producers: ['step-executor'], consumers: ['executions'], readers: ['bot runtime', 'gateway', 'step-executor'] },
  { topic: stepInvocationRequests, producers: ['step-executor'], consumers: ['invoker'], readers: ['step-executor'] },
  { topic: triggerInvocationRequests, producers: ['trigger-matcher', 'executions'], consumers: ['invoker'], readers: [] },
  { topic: stepInvocationResults, producers: ['invoker'], consumers: ['step-executor', 'executions'], readers: [] },
  { topic: triggerInvocationResults, producers: ['invoker', 'trigger-matcher'], consumers: ['executions'], readers: [] },
  { topic: registryChanges, producers: ['registry'], consumers: [], readers: everyService },
  { topic: registryTriggers, producers: ['registry'], consumers: [], readers: ['registry', 'trigger-matcher', 'executions'] },
  { topic: auditEvents, producers: everyService, consumers: ['registry'], readers: [] },
  { topic: deadLetters, producers: everyService, consumers: ['executions'], readers: ['ops'] },
];
