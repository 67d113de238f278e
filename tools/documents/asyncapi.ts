/** The AsyncAPI document, made from the flow list of the contract: each topic is a channel, each writer and reader of it an operation. */
import { type Flow, flows, type Party, type Topic } from '@cf/contract';
import { headersOfMessage } from '@cf/messaging';
import { readPlatform } from '@cf/service-kit';
import { API } from './api.js';
import { type JsonSchema, JsonSchemas } from './json-schemas.js';

const defaults = readPlatform({ port: 0, needs: 'nothing' }, { NODE_ENV: 'test' });

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

/** `chat.events` is `chat-events` where dots mean something else. */
const idOf = ({ name }: Topic): string => name.replaceAll('.', '-');

const kafkaChannel = ({ name, partitions, cleanup, retentionMs, messageBytesMax }: Topic): object => ({
  topic: name,
  partitions: defaults.partitions[partitions],
  topicConfiguration: {
    'cleanup.policy': [cleanup],
    ...(retentionMs === null ? {} : { 'retention.ms': retentionMs }),
    'max.message.bytes': messageBytesMax,
  },
  bindingVersion: '0.5.0',
});

const headersOf = (topic: Topic): JsonSchema => {
  const text = { type: 'string' };
  const names = Object.keys(headersOfMessage(topic, topic.example as never));
  return {
    type: 'object',
    properties: {
      'content-type': { const: 'application/json' },
      traceparent: { ...text, description: 'W3C Trace Context.' },
      ...Object.fromEntries(names.map((name) => [name, text])),
    },
    required: ['content-type', 'traceparent'],
  };
};

const messageOf = (topic: Topic, schemas: JsonSchemas): object => ({
  name: topic.message,
  contentType: 'application/json',
  headers: headersOf(topic),
  payload: schemas.of(topic.schema, 'input'),
  bindings: { kafka: { key: { type: 'string', description: topic.keyDescription }, bindingVersion: '0.5.0' } },
  examples: [
    {
      headers: { 'content-type': 'application/json', traceparent: TRACEPARENT, ...headersOfMessage(topic, topic.example as never) },
      payload: topic.example,
    },
  ],
});

const operationsOf = ({ topic, producers, consumers, readers }: Flow): [string, object][] => {
  const operation = (party: Party, action: 'send' | 'receive', summary: string): [string, object] => [
    `${party.replaceAll(' ', '-')}.${action}.${idOf(topic)}`,
    {
      action,
      channel: { $ref: `#/channels/${idOf(topic)}` },
      messages: [{ $ref: `#/channels/${idOf(topic)}/messages/${topic.message}` }],
      summary,
      tags: [{ name: party }],
    },
  ];
  return [
    ...producers.map((party) => operation(party, 'send', `The ${party} writes ${topic.name}.`)),
    ...consumers.map((party) => operation(party, 'receive', `The ${party} reads ${topic.name} as a consumer group: each record once.`)),
    ...readers
      .filter((party) => !consumers.includes(party))
      .map((party) => operation(party, 'receive', `The ${party} reads all of ${topic.name}, without a group.`)),
  ];
};

export const asyncApi = (): JsonSchema => {
  const schemas = new JsonSchemas('#/components/schemas/', false);
  const channels = flows.map(({ topic }) => [
    idOf(topic),
    {
      address: topic.name,
      description: `Key: ${topic.keyDescription}. ${topic.cleanup === 'compact' ? 'The last record per key is kept.' : 'Records are kept for a time.'} Partitions and retention are the defaults.`,
      messages: { [topic.message]: messageOf(topic, schemas) },
      bindings: { kafka: kafkaChannel(topic) },
    },
  ]);
  return {
    asyncapi: '3.0.0',
    info: { title: 'Cloud Functions', version: API.version, description: API.topics },
    defaultContentType: 'application/json',
    channels: Object.fromEntries(channels) as object,
    operations: Object.fromEntries(flows.flatMap(operationsOf)) as object,
    components: { schemas: schemas.components },
  };
};
