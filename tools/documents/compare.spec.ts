import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { breakingChanges } from './compare.js';
import { type DocumentName, presentDocument } from './documents.js';
import type { JsonSchema } from './json-schemas.js';

// The paths into a document are what these specs are about.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Loose = any;

const originals = { openapi: presentDocument('openapi'), asyncapi: presentDocument('asyncapi') };

/** What is found when the present document is changed so. */
const found = (name: DocumentName, change: (document: Loose) => void): string[] => {
  const changed = structuredClone(originals[name]) as JsonSchema;
  change(changed);
  expect(changed).not.toEqual(originals[name]);
  return breakingChanges(originals[name], changed);
};

const functions = '/v1/orgs/{orgId}/cloud-functions';
const write = (document: Loose): Loose => document.components.schemas.WriteCloudFunction;
const answer = (document: Loose): Loose => document.components.schemas.CloudFunction;
const eventsOf = (document: Loose): Loose => document.channels['chat-events'].messages.ChatEvent;
const result = (document: Loose): Loose => document.channels['chatbot-step-results'].messages.StepResult;

describe('a breaking change of the HTTP API is found:', () => {
  it.each<[string, (document: Loose) => void]>([
    ['a path is gone', (d) => delete d.paths[functions]],
    ['an operation is gone', (d) => delete d.paths[functions].post],
    ['an operation asks for another scope', (d) => (d.paths[functions].post.security = [{ bearer: ['triggers:write'] }])],
    ['a query parameter is gone', (d) => d.paths[functions].get.parameters.pop()],
    ['a parameter is required now', (d) => (d.paths[functions].get.parameters.at(-1).required = true)],
    [
      'a new parameter is required',
      (d) => d.paths[functions].get.parameters.push({ in: 'query', name: 'new', required: true, schema: {} }),
    ],
    [
      'a header is required now',
      (d) => (d.paths[`${functions}/{id}`].delete.parameters.find((each: Loose) => each.in === 'header').required = true),
    ],
    ['a parameter takes less', (d) => (d.paths[functions].get.parameters.find((each: Loose) => each.name === 'limit').schema.maximum = 50)],
    [
      'a parameter has another default',
      (d) => (d.paths[functions].get.parameters.find((each: Loose) => each.name === 'limit').schema.default = 10),
    ],
    [
      'a media type is not taken any more',
      (d) => delete d.paths['/v1/orgs/{orgId}/chat-events'].post.requestBody.content['application/x-ndjson'],
    ],
    ['a body is required now', (d) => (d.paths['/v1/orgs/{orgId}/executions/{invocationId}/retries'].post.requestBody.required = true)],
    ['a field of a request is gone', (d) => delete write(d).properties.timeoutMs],
    ['a field of a request is required now', (d) => write(d).required.push('timeoutMs')],
    ['a new field of a request is required', (d) => ((write(d).properties.new = {}), write(d).required.push('new'))],
    ['a field of a request is shorter', (d) => (write(d).properties.name.maxLength = 100)],
    ['a field of a request has a pattern now', (d) => (write(d).properties.name.pattern = '^[a-z]+$')],
    ['a field of a request has a format now', (d) => (write(d).properties.name.format = 'hostname')],
    ['a field of a request has another type', (d) => (write(d).properties.name.type = 'integer')],
    ['a field of a request has another default', (d) => (write(d).properties.timeoutMs.default = 5_000)],
    ['fewer items are taken', (d) => (write(d).properties.branchOptions.maxItems = 10)],
    ['items take less', (d) => (write(d).properties.branchOptions.items.maxLength = 10)],
    [
      'a value of a request is not taken any more',
      (d) => d.components.schemas.WriteTrigger.properties.triggerEvents.items.properties.category.enum.pop(),
    ],
    ['an alternative of a request is gone', (d) => d.components.schemas.WriteRegisteredApi.properties.authorization.oneOf.shift()],
    [
      'a success has another status',
      (d) => (
        (d.paths[functions].post.responses['200'] = d.paths[functions].post.responses['201']),
        delete d.paths[functions].post.responses['201']
      ),
    ],
    ['an answer has another media type', (d) => (d.paths[functions].get.responses['200'].content = { 'text/csv': {} })],
    ['an answer has no ETag any more', (d) => delete d.paths[functions].post.responses['201'].headers.ETag],
    ['a field of an answer is gone', (d) => delete answer(d).properties.timeoutMs],
    ['a field that an answer need not have is gone', (d) => delete answer(d).properties.propagation],
    ['a field of an answer may be missing', (d) => answer(d).required.pop()],
    ['a field of an answer may be null', (d) => (answer(d).properties.name = { type: ['string', 'null'] })],
    ['a field of an answer has another type', (d) => (answer(d).properties.timeoutMs = { type: 'string' })],
    ['a number is no whole one any more', (d) => (answer(d).properties.timeoutMs.type = 'number')],
    ['a closed vocabulary has a new word', (d) => d.components.schemas.Execution.properties.status.enum.push('paused')],
    ['a webhook is gone', (d) => delete d.webhooks.chatEvent],
    ['an endpoint gets an eleventh key', (d) => (d.components.schemas.CloudFunctionStepExecution.properties.new = {})],
    ['an endpoint gets a key less', (d) => delete d.components.schemas.CloudFunctionStepExecution.properties.stepId],
    ['an endpoint gets a header less', (d) => d.webhooks.stepExecution.post.parameters.shift()],
    ['an endpoint may answer less', (d) => (d.components.schemas.StepAnswer.properties.returnValue.anyOf[0].maxLength = 100)],
  ])('%s', (_, change) => {
    expect(found('openapi', change)).not.toEqual([]);
  });
});

describe('a breaking change of the topics is found:', () => {
  it.each<[string, (document: Loose) => void]>([
    ['a topic is gone', (d) => delete d.channels['chat-events']],
    ['a topic has another name', (d) => (d.channels['chat-events'].address = 'events')],
    ['a message is gone', (d) => (d.channels['chat-events'].messages = {})],
    ['a message has another key', (d) => (eventsOf(d).bindings.kafka.key.description = 'event id')],
    ['a topic is compacted', (d) => (d.channels['chat-events'].bindings.kafka.topicConfiguration['cleanup.policy'] = ['compact'])],
    ['records are kept for less time', (d) => (d.channels['chatbot-step-results'].bindings.kafka.topicConfiguration['retention.ms'] = 1)],
    ['records may be less large', (d) => (d.channels['chat-events'].bindings.kafka.topicConfiguration['max.message.bytes'] = 1)],
    ['a field is gone', (d) => delete result(d).payload.properties.nearMiss],
    ['a field is required now', (d) => eventsOf(d).payload.required.push('chatId')],
    ['a field may be missing', (d) => result(d).payload.required.shift()],
    ['a vocabulary has a new word', (d) => result(d).payload.properties.branchReason.enum.push('because')],
    ['a vocabulary has a word less', (d) => result(d).payload.properties.branchReason.enum.pop()],
    ['a header is gone', (d) => delete result(d).headers.properties['request-id']],
    ['a header is required now', (d) => result(d).headers.required.push('request-id')],
    ['a service reads a topic no more', (d) => delete d.operations['trigger-matcher.receive.chat-events']],
  ])('%s', (_, change) => {
    expect(found('asyncapi', change)).not.toEqual([]);
  });
});

describe('a harmless change passes:', () => {
  it.each<[string, DocumentName, (document: Loose) => void]>([
    ['a new path', 'openapi', (d) => (d.paths['/v1/new'] = d.paths[functions])],
    ['a new operation', 'openapi', (d) => (d.paths[functions].patch = d.paths[functions].post)],
    ['other words', 'openapi', (d) => (d.paths[functions].post.description = 'Other words.')],
    ['a new parameter', 'openapi', (d) => d.paths[functions].get.parameters.push({ in: 'query', name: 'new', schema: {} })],
    [
      'a parameter that takes more',
      'openapi',
      (d) => (d.paths[functions].get.parameters.find((each: Loose) => each.name === 'limit').schema.maximum = 500),
    ],
    ['a new field of a request that may be left out', 'openapi', (d) => (write(d).properties.new = { type: 'string' })],
    ['a field that may be left out now', 'openapi', (d) => write(d).required.shift()],
    ['a longer field', 'openapi', (d) => (write(d).properties.name.maxLength = 500)],
    [
      'a new alternative of a request',
      'openapi',
      (d) =>
        d.components.schemas.WriteRegisteredApi.properties.authorization.oneOf.push({
          type: 'object',
          properties: { type: { const: 'Mtls' } },
        }),
    ],
    [
      'a new value of a request',
      'openapi',
      (d) => d.components.schemas.WriteTrigger.properties.triggerEvents.items.properties.category.enum.push('New'),
    ],
    [
      'a new scope',
      'openapi',
      (d) =>
        [d.components.schemas.CreateAccessToken, d.components.schemas.AccessToken].forEach((each) =>
          each.properties.scopes.items.enum.push('new:read'),
        ),
    ],
    ['a new field of an answer', 'openapi', (d) => ((answer(d).properties.new = { type: 'string' }), answer(d).required.push('new'))],
    ['a field that an answer always has now', 'openapi', (d) => answer(d).required.push('propagation')],
    ['a new refusal', 'openapi', (d) => (d.paths[functions].get.responses['409'] = { description: 'No.' })],
    [
      'a component by another name',
      'openapi',
      (d) => (
        (d.components.schemas.Fn = answer(d)),
        (d.paths[functions].post.responses['201'].content['application/json'].schema.$ref = '#/components/schemas/Fn')
      ),
    ],
    [
      'a new header for an endpoint',
      'openapi',
      (d) => d.webhooks.chatEvent.post.parameters.push({ in: 'header', name: 'new', required: true, schema: {} }),
    ],
    ['a new major version, whatever it drops', 'openapi', (d) => ((d.info.version = '2.0.0'), delete d.paths[functions])],
    ['a new topic', 'asyncapi', (d) => (d.channels['new'] = d.channels['chat-events'])],
    ['a new field that may be left out', 'asyncapi', (d) => (result(d).payload.properties.new = { type: 'string' })],
    ['more partitions', 'asyncapi', (d) => (d.channels['chat-events'].bindings.kafka.partitions = 48)],
    ['a new reader', 'asyncapi', (d) => (d.operations['ops.receive.chat-events'] = d.operations['trigger-matcher.receive.chat-events'])],
  ])('%s', (_, name, change) => {
    expect(found(name, change)).toEqual([]);
  });
});
