/**
 * The OpenAPI document, made from the code: paths, scopes, statuses and schemas come from the decorators and pipes that the routes run with
 * (routes.ts), problem texts from docs/errors.md, the customer's side from the contract (webhooks.ts). What follows from a route's shape
 * – a guard, a body, `If-Match`, a list – brings its problems along, so that `@Operation` names only what is special.
 */
import { STATUS_CODES } from 'node:http';
import type { Answered, RequestHeader } from '@cf/service-kit';
import { API } from './api.js';
import { type JsonSchema, JsonSchemas } from './json-schemas.js';
import type { DocumentedProblem } from './problems.js';
import type { Route } from './routes.js';
import { webhooks } from './webhooks.js';

const PROBLEM_TYPE = 'application/problem+json';

const problemSchema = {
  type: 'object',
  description: 'RFC 9457. `code` is stable, `detail` is for people, `traceId` finds the entry in the log.',
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string' },
    detail: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          pointer: { type: 'string', description: 'A JSON pointer into the body, the name of a query parameter, or the number of a line.' },
          code: { type: 'string' },
          detail: { type: 'string' },
          id: { type: 'string', description: 'With `in_use`: who uses it.' },
          name: { type: 'string' },
        },
        required: ['pointer', 'code', 'detail'],
      },
    },
    traceId: { type: ['string', 'null'] },
  },
  required: ['type', 'title', 'status', 'code', 'detail', 'errors', 'traceId'],
};

const hasBody = (route: Route): boolean => ['post', 'put', 'patch'].includes(route.method);

/** The codes that follow from what a route is; `@Operation` adds its own. */
const problemsOf = (route: Route): string[] => {
  const { text, query, method, path, access, headers } = route;
  const isApi = access !== 'everybody';
  const codes = [
    ...(isApi ? ['unauthorized', 'malformed_token', 'token_expired', 'invalid_query', 'unavailable'] : []),
    ...(access === 'tenant' ? ['missing_scope'] : []),
    ...(access === 'operator' ? ['operators_only'] : []),
    ...(isApi && path.includes('{') ? ['not_found'] : []),
    ...(typeof query === 'object' && 'cursor' in query.shape ? ['invalid_cursor'] : []),
    ...(hasBody(route) || method === 'delete'
      ? ['bad_request', 'invalid_json', 'invalid_utf8', 'body_too_large', 'unsupported_media_type']
      : []),
    ...(route.body === undefined ? [] : ['invalid_request']),
    ...headers.flatMap(({ problems }) => problems),
    ...(text?.problems ?? []),
    ...(path.includes('{') ? ['invalid_path', 'uri_too_long'] : []),
    ...['bad_request', 'request_timeout', 'headers_too_large', 'internal', 'shutting_down'],
  ];
  return [...new Set(codes)];
};

const camel = (name: string): string =>
  name.replace(/Controller\.(\w)/, (_, first: string) => first.toUpperCase()).replace(/^\w/, (first) => first.toLowerCase());

/** The resource that a path is about. */
const tagOf = (path: string): string => /^\/v1\/(?:orgs\/\{orgId\}\/)?([\w-]+)/.exec(path)?.[1] ?? 'operations';

const accessText = ({ access, scope }: Route): string =>
  access === 'operator' ? 'For operators only.' : scope === undefined ? 'Needs no token.' : `Needs the scope \`${scope}\`.`;

const headerOf = ({ name, description, required, example }: RequestHeader): object => ({
  name,
  in: 'header',
  description,
  required,
  schema: { type: 'string' },
  example,
});

class OpenApi {
  private readonly schemas: JsonSchemas;
  private readonly responses: Record<string, object> = {};

  constructor(
    private readonly problems: ReadonlyMap<string, DocumentedProblem>,
    closed: boolean,
  ) {
    this.schemas = new JsonSchemas('#/components/schemas/', closed);
  }

  document(routes: readonly Route[]): JsonSchema {
    const paths: Record<string, Record<string, object>> = {};
    for (const route of routes.filter(({ text }) => text !== undefined)) (paths[route.path] ??= {})[route.method] = this.operation(route);
    const hooks = webhooks(this.schemas);
    return {
      openapi: '3.1.1',
      info: { title: 'Cloud Functions', version: API.version, description: API.description },
      servers: [{ url: '/' }],
      tags: [...new Set(routes.map(({ path }) => tagOf(path)))].map((name) => ({ name })),
      paths,
      webhooks: hooks,
      components: {
        schemas: { ...this.schemas.components, Problem: problemSchema },
        responses: this.responses,
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'An access token of the organization, or an operator’s.' },
        },
      },
    };
  }

  private operation(route: Route): object {
    const { text } = route;
    return {
      operationId: camel(route.name),
      tags: [tagOf(route.path)],
      summary: text?.summary,
      description: [text?.description, accessText(route)].filter((line) => line !== undefined).join(' '),
      ...(route.access === 'everybody' ? { security: [] } : { security: [{ bearer: route.scope === undefined ? [] : [route.scope] }] }),
      ...(route.scope === undefined ? {} : { 'x-required-scope': route.scope }),
      parameters: this.parameters(route),
      ...this.requestBody(route),
      responses: { ...this.answers(route), ...this.refusals(problemsOf(route)) },
    };
  }

  private parameters({ path, query, headers, text }: Route): object[] {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string', ...(/Id$|^id$/.test(name ?? '') ? { format: 'uuid' } : {}) },
    }));
    const { properties = {}, required = [] } = typeof query === 'object' ? this.schemas.of(query, 'input') : {};
    const inQuery = Object.entries(properties as Record<string, JsonSchema>).map(([name, schema]) => ({
      name,
      in: 'query',
      required: (required as string[]).includes(name),
      schema,
    }));
    const more = Object.entries(text?.headers ?? {}).map(([name, description]) => ({
      name,
      in: 'header',
      description,
      required: false,
      schema: { type: 'string' },
    }));
    return [...inPath, ...inQuery, ...headers.map(headerOf), ...more];
  }

  private requestBody({ body, text }: Route): object {
    const byType = text?.body ?? (body === undefined ? {} : { 'application/json': body });
    const [firstType] = Object.keys(byType);
    if (firstType === undefined) return {};
    const content = Object.entries(byType).map(([type, schema]) => [
      type,
      { schema: this.schemas.of(schema, 'input'), ...(type === firstType && text?.example !== undefined ? { example: text.example } : {}) },
    ]);
    const isOptional = byType[firstType]?.safeParse(undefined).success === true;
    return { requestBody: { required: !isOptional, content: Object.fromEntries(content) } };
  }

  private answers({ status, text }: Route): object {
    const all: [string, Answered][] = [[String(status), text?.answer ?? null], ...Object.entries(text?.otherAnswers ?? {})];
    return Object.fromEntries(
      all.map(([code, answer]) => [
        code,
        {
          description: code === String(status) ? (text?.summary ?? '') : (STATUS_CODES[code] ?? ''),
          ...this.answerHeaders(code === String(status) && text?.versioned === true),
          ...this.content(answer),
        },
      ]),
    );
  }

  private answerHeaders(versioned: boolean): object {
    if (!versioned) return {};
    return { headers: { ETag: { required: true, description: 'The version, for If-Match.', schema: { type: 'string' } } } };
  }

  private content(answer: Answered): object {
    if (answer === null) return {};
    // Events have no schema of their own here: a stream is no one value.
    if (answer === 'text/event-stream') return { content: { [answer]: {} } };
    if (typeof answer === 'string') return { content: { [answer]: { schema: { type: 'string' } } } };
    return { content: { 'application/json': { schema: this.schemas.of(answer, 'output') } } };
  }

  /** Problems by status; equal sets are one component. */
  private refusals(codes: readonly string[]): object {
    const byStatus = new Map<number, string[]>();
    for (const code of codes) byStatus.set(this.problem(code).status, [...(byStatus.get(this.problem(code).status) ?? []), code]);
    return Object.fromEntries(
      [...byStatus]
        .sort(([a], [b]) => a - b)
        .map(([status, together]) => {
          const sorted = together.toSorted();
          const name = sorted.join('.');
          this.responses[name] ??= {
            description: sorted.map((code) => `\`${code}\`: ${this.problem(code).when}`).join('. '),
            content: {
              [PROBLEM_TYPE]: {
                schema: {
                  allOf: [{ $ref: '#/components/schemas/Problem' }, { properties: { status: { const: status }, code: { enum: sorted } } }],
                },
              },
            },
          };
          return [String(status), { $ref: `#/components/responses/${name}` }];
        }),
    );
  }

  private problem(code: string): DocumentedProblem {
    const problem = this.problems.get(code);
    if (problem === undefined) throw new Error(`docs/errors.md has no problem ${code}`);
    return problem;
  }
}

const needsExample = ({ body, text }: Pick<Route, 'body' | 'text'>): boolean =>
  text?.example === undefined && (text?.body !== undefined || body?.safeParse(undefined).success === false);

/** What keeps routes out of the document, in words for whoever wrote them. */
export const complaintsAbout = (routes: readonly Route[]): string[] =>
  routes.flatMap(({ name, text, query, body }) => [
    ...(text === undefined ? [`${name} has no @Operation`] : []),
    ...(query === true ? [`${name} says @TakesQuery() without its schema`] : []),
    ...(needsExample({ body, text }) ? [`${name} takes a body and its @Operation shows no example`] : []),
  ]);

export interface OpenApiOptions {
  readonly problems: ReadonlyMap<string, DocumentedProblem>;
  /** For tests: an answer with a field that is not said does not fit. */
  readonly closed?: boolean;
}

export const openApi = (routes: readonly Route[], { problems, closed = false }: OpenApiOptions): JsonSchema =>
  new OpenApi(problems, closed).document(routes);
