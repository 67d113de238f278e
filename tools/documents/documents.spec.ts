import 'reflect-metadata';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Parser } from '@asyncapi/parser';
import { Validator } from '@seriousme/openapi-schema-validator';
import { flows, stepExecutionBody, stepRequests } from '@cf/contract';
import { breakingChanges } from './compare.js';
import { allRoutes, documentNames, presentDocument, presentOpenApi, publishedDocument } from './documents.js';
import { complaintsAbout } from './openapi.js';
import type { JsonSchema } from './json-schemas.js';
import { SchemaCheck } from './schema-check.js';
import { stepExecution } from './webhooks.js';

interface Operation {
  readonly operationId: string;
  readonly requestBody?: {
    readonly content: Record<string, { schema: JsonSchema; example?: unknown; examples?: Record<string, { value: unknown }> }>;
  };
}

const operationsOf = (document: JsonSchema): Operation[] =>
  [document['paths'], document['webhooks']].flatMap((part) =>
    Object.values(part as Record<string, Record<string, Operation>>).flatMap((item) => Object.values(item)),
  );

describe('the OpenAPI document', () => {
  const openApi = presentDocument('openapi');

  it('shows every route (CONTRIBUTING.md, "Adding a route")', () => {
    expect(complaintsAbout(allRoutes())).toEqual([]);
  });

  it('says of every POST that it takes an Idempotency-Key; only a connection test changes nothing', () => {
    const without = allRoutes().filter(
      ({ method, headers }) => method === 'post' && !headers.some(({ name }) => name === 'Idempotency-Key'),
    );
    expect(without.map(({ path }) => path)).toEqual(['/v1/orgs/{orgId}/registered-apis/{id}/connection-tests']);
  });

  it('is OpenAPI 3.1', async () => {
    expect(await new Validator().validate(structuredClone(openApi))).toEqual({ valid: true });
    expect(openApi['openapi']).toMatch(/^3\.1\./);
  });

  it('names each operation once', () => {
    const ids = operationsOf(openApi).map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('has examples that fit their schemas', () => {
    const check = new SchemaCheck(presentOpenApi({ closed: true }));
    const examples = operationsOf(openApi).flatMap(({ operationId, requestBody }) =>
      Object.values(requestBody?.content ?? {}).flatMap(({ schema, example, examples: more = {} }) =>
        [...(example === undefined ? [] : [example]), ...Object.values(more).map(({ value }) => value)].map((value) => ({
          operationId,
          schema,
          value,
        })),
      ),
    );
    expect(examples.length).toBeGreaterThan(15);
    for (const { operationId, schema, value } of examples) expect([operationId, check.errors(schema, value)]).toEqual([operationId, []]);
  });

  it('shows the body of a step execution with its ten keys in their order', () => {
    const body = JSON.parse(stepExecutionBody(stepRequests.example)) as object;
    expect(Object.keys(stepExecution.parse(body))).toEqual(Object.keys(body));
    expect(Object.keys(stepExecution.shape)).toHaveLength(10);
  });
});

describe('the AsyncAPI document', () => {
  const asyncApi = presentDocument('asyncapi');

  it('is AsyncAPI 3, its examples included', async () => {
    const { document, diagnostics } = await new Parser().parse(JSON.stringify(asyncApi));
    expect(diagnostics.filter(({ severity }) => severity <= 1)).toEqual([]);
    expect(document?.version()).toBe('3.0.0');
  });

  it('has a channel for each topic and an operation for each of its writers and readers', () => {
    const addresses = Object.values(asyncApi['channels'] as Record<string, { address: string }>).map(({ address }) => address);
    expect(addresses).toEqual(flows.map(({ topic }) => topic.name));
    const parties = flows.flatMap(({ producers, consumers, readers }) => [...producers, ...new Set([...consumers, ...readers])]);
    expect(Object.keys(asyncApi['operations'] as object)).toHaveLength(parties.length);
  });

  it('has examples that fit the schemas of their payloads and headers', () => {
    const check = new SchemaCheck(asyncApi);
    type Message = { payload: JsonSchema; headers: JsonSchema; examples: { payload: unknown; headers: unknown }[] };
    const messages = Object.values(asyncApi['channels'] as Record<string, { messages: Record<string, Message> }>).flatMap((channel) =>
      Object.values(channel.messages),
    );
    expect(messages).toHaveLength(flows.length);
    for (const { payload, headers, examples } of messages) {
      for (const example of examples)
        expect([...check.errors(payload, example.payload), ...check.errors(headers, example.headers)]).toEqual([]);
    }
  });
});

describe.each(documentNames)('docs/api/%s.json', (name) => {
  let present: JsonSchema;
  beforeAll(() => {
    present = presentDocument(name);
  });

  it('is not broken by this checkout: who relies on it goes on working', () => {
    expect(breakingChanges(publishedDocument(name), present)).toEqual([]);
  });

  it('is what the code says: else `npm run documents` writes it anew', () => {
    expect(publishedDocument(name)).toEqual(JSON.parse(JSON.stringify(present)));
  });
});
