import { messageHeader, type Topic } from '@cf/contract';
import type { Attributes } from '@opentelemetry/api';
import type { LogRecord } from '../log.js';
import { beginSpan, type OpenSpan, recordedMessagingSystem } from '../spans.js';

/** Names of OpenTelemetry's conventions for messaging; ids that find an execution, and nothing of what a message says. */
const attributesOf = (topic: Topic, headers: Readonly<Record<string, string | undefined>>): Attributes => ({
  'messaging.system': recordedMessagingSystem(),
  'messaging.destination.name': topic.name,
  'cf.org_id': headers[messageHeader.orgId],
  'cf.invocation_id': headers[messageHeader.invocationId],
  'cf.request_id': headers[messageHeader.requestId],
});

export const beginConsumerSpan = (topic: Topic, { headers, partition, offset }: LogRecord): OpenSpan =>
  beginSpan(`process ${topic.name}`, 'consumer', headers[messageHeader.traceparent], () => ({
    ...attributesOf(topic, headers),
    'messaging.operation.type': 'process',
    'messaging.destination.partition.id': String(partition),
    [`messaging.${recordedMessagingSystem()}.offset`]: offset,
  }));

export const beginProducerSpan = (topic: Topic, headers: Readonly<Record<string, string>>, parent: string | undefined): OpenSpan =>
  beginSpan(`send ${topic.name}`, 'producer', parent, () => ({ ...attributesOf(topic, headers), 'messaging.operation.type': 'send' }));
