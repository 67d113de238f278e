import fc from 'fast-check';
import type { DocumentedOperation } from '../../../../tools/documents/answer-check.js';
import type { JsonSchema } from '../../../../tools/documents/json-schemas.js';
import { JsonArbitrary, mutated, oddValue, placeholder } from './json-arbitrary.js';

export type Caller = 'operator' | 'tenant' | 'narrow' | 'other tenant' | 'stranger' | 'nobody';

/** A request with placeholders, which are filled when it is sent. */
export interface PlannedRequest {
  /** Null for what no operation is meant by. */
  readonly operation: DocumentedOperation | null;
  readonly caller: Caller;
  readonly method: string;
  readonly url: string;
  readonly headers: readonly string[];
  readonly body: string | Buffer | null;
}

const weighted = <T>(...entries: readonly (readonly [weight: number, arbitrary: fc.Arbitrary<T>])[]): fc.Arbitrary<T> =>
  fc.oneof(...entries.map(([weight, arbitrary]) => ({ weight, arbitrary })));

const rarely = <T>(value: fc.Arbitrary<T>, often: fc.Arbitrary<T>): fc.Arbitrary<T> => weighted([1, value], [9, often]);

const oddText = oddValue.map((value) => (typeof value === 'string' ? value : JSON.stringify(value)));

/** Half surrogate pairs cannot be escaped, so they are left out of addresses. */
const escaped = (text: string): string => encodeURIComponent(text.replace(/\p{Cs}/gu, '').slice(0, 300));

const caller: fc.Arbitrary<Caller> = weighted(
  [10, fc.constant<Caller>('operator')],
  [10, fc.constant<Caller>('tenant')],
  [1, fc.constantFrom<Caller>('narrow', 'other tenant', 'stranger', 'nobody')],
);

const brokenSegment = fc.constantFrom('%zz', '%00', '%ff', '%', '..', '.', '%2e%2e', '%2f', 'a'.repeat(250), '', ';', '*', '%07');

/** Each `{parameter}` as an id of its collection, seldom another organization's, an unknown one or nonsense. */
const pathOf = (template: string): fc.Arbitrary<string> => {
  const parts = template.split('/');
  return fc
    .tuple(
      ...parts.map((part, index) => {
        if (!part.startsWith('{')) return fc.constant(part);
        const name = part === '{orgId}' ? 'orgId' : (parts[index - 1] ?? '');
        const known = fc.constant(placeholder(name));
        return weighted(
          [20, known],
          [1, fc.constant(placeholder(`other-${name}`))],
          [1, fc.uuid()],
          [1, oddText.map(escaped)],
          [1, brokenSegment],
        );
      }),
    )
    .map((segments) => segments.join('/'));
};

const brokenQuery = fc.constantFrom(
  '%',
  '&&==',
  'a[b]=c',
  '__proto__=1',
  'unknown=1',
  'limit=1&limit=2',
  '=',
  '%00=1',
  'cursor=%ff',
  'a=1;b=2',
);

class RequestArbitrary {
  private readonly json: JsonArbitrary;

  constructor(document: JsonSchema) {
    this.json = new JsonArbitrary(document);
  }

  of(operation: DocumentedOperation): fc.Arbitrary<PlannedRequest> {
    return fc
      .tuple(caller, pathOf(operation.path), this.query(operation), this.headers(operation), this.body(operation))
      .map(([by, path, query, headers, { type, body }]) => ({
        operation,
        caller: by,
        method: operation.method,
        url: query === '' ? path : `${path}?${query}`,
        headers: [...headers, ...(type === null ? [] : ['content-type', type])],
        body,
      }));
  }

  private query({ parameters }: DocumentedOperation): fc.Arbitrary<string> {
    const each = parameters
      .filter((parameter) => parameter.in === 'query')
      .map(({ name, required, schema }) => {
        const fitting = this.json.of(schema).map((value) =>
          [value]
            .flat()
            .map((item) => `${escaped(name)}=${escaped(String(item))}`)
            .join('&'),
        );
        const odd = oddText.map((value) => `${escaped(name)}=${escaped(value)}`);
        return weighted([required ? 0 : 80, fc.constant('')], [18, fitting], [2, odd]);
      });
    return rarely(
      brokenQuery,
      fc.tuple(...each).map((pairs) => pairs.filter((pair) => pair !== '').join('&')),
    );
  }

  private headers({ parameters, method }: DocumentedOperation): fc.Arbitrary<string[]> {
    const ifMatch = weighted<string[]>(
      [6, fc.constant(['if-match', '*'])],
      [3, fc.constantFrom(['if-match', '"1"'], ['if-match', '"2"'])],
      [
        1,
        fc.constantFrom(
          [],
          ['if-match', '1'],
          ['if-match', 'W/"1"'],
          ['if-match', ''],
          ['if-match', '"1"', 'if-match', '"2"'],
          ['if-match', `"${'x'.repeat(5_000)}"`],
        ),
      ],
    );
    const key = weighted<string[]>(
      [14, fc.constant<string[]>([])],
      [3, fc.uuid().map((id) => ['idempotency-key', id])],
      [
        1,
        fc.constantFrom(
          ['idempotency-key', ''],
          ['idempotency-key', 'a', 'idempotency-key', 'b'],
          ['idempotency-key', 'x'.repeat(5_000)],
          ['idempotency-key', '\u00e9'],
          ['idempotency-key', 'again'],
        ),
      ],
    );
    const extra = weighted<string[]>(
      [30, fc.constant<string[]>([])],
      [
        1,
        fc.constantFrom(
          ['traceparent', 'nonsense'],
          ['traceparent', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`],
          ['accept', 'text/html'],
          ['caused-by', 'x'],
          ['caused-by', 'a', 'caused-by', 'b'],
        ),
      ],
      [
        1,
        fc.constantFrom(
          ['content-encoding', 'gzip'],
          ['last-event-id', 'nonsense'],
          ['x-forwarded-for', '1'],
          ['range', 'bytes=0-1'],
          ['if-none-match', '*'],
        ),
      ],
    );
    const takesIfMatch = parameters.some(({ name }) => name === 'If-Match');
    return fc
      .tuple(takesIfMatch ? ifMatch : fc.constant<string[]>([]), method === 'post' ? key : fc.constant<string[]>([]), extra)
      .map((all) => all.flat());
  }

  private body({ requestBody, method }: DocumentedOperation): fc.Arbitrary<{ type: string | null; body: string | Buffer | null }> {
    const nothing = fc.constant({ type: null, body: null });
    if (['get', 'delete'].includes(method)) return nothing;
    const [[type, { schema, example }] = ['application/json', { schema: {}, example: {} }]] = Object.entries(requestBody?.content ?? {});
    const value = this.json.of(schema);
    const good = weighted([3, value], [example === undefined ? 0 : 1, fc.constant(example)]);
    const odd = fc.tuple(good, fc.nat(), fc.nat(), oddValue).map(([given, where, how, what]) => mutated(given, where, how, what));
    const json = weighted([5, good], [4, odd]).map((given) => JSON.stringify(given) ?? 'null');
    const broken = fc.tuple(json, fc.nat()).map(([text, at]) => breakText(text, at));
    const lines = fc.array(json, { maxLength: 4 }).map((all) => all.join('\n'));
    const types = fc.constantFrom(
      'application/json; charset=utf-16',
      'text/plain',
      'application/x-ndjson',
      'application/vnd.api+json',
      'application/JSON ;',
      'x',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
    );
    return weighted<{ type: string | null; body: string | Buffer | null }>(
      [16, json.map((body) => ({ type, body }))],
      [1, broken.map((body) => ({ type, body }))],
      [1, fc.tuple(types, json).map(([other, body]) => ({ type: other, body }))],
      [requestBody?.content['application/x-ndjson'] === undefined ? 0 : 6, lines.map((body) => ({ type: 'application/x-ndjson', body }))],
      [1, fc.constantFrom({ type: null, body: '{}' }, { type, body: null }, { type, body: '' })],
      [requestBody === undefined ? 30 : 0, nothing],
    );
  }
}

/** Ways in which a body stops being what it was. */
const breakText = (text: string, at: number): string | Buffer => {
  const place = at % Math.max(1, text.length);
  const ways: readonly (() => string | Buffer)[] = [
    () => text.slice(0, place),
    () => `${text},`,
    () => `\ufeff${text}`,
    () => text.replace('{', '{"name":1,"name":"a",'),
    () => text.replace(/:[^,}]+/, ':1e999'),
    () => text.replace(/:[^,}]+/, ':123456789012345678901234567890'),
    () => text.replace(/"[^"]*"/, '"\\ud800"'),
    () => text.replace(/"[^"]*"/, '"\\u0000"'),
    () => '['.repeat(20_000),
    () => `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`,
    () => Buffer.from([0xff, 0xfe, 0x7b]),
    () => Buffer.concat([Buffer.from(text.slice(0, place)), Buffer.from([0xc3, 0x28]), Buffer.from(text.slice(place))]),
    () => 'NaN',
  ];
  return (ways[at % ways.length] as () => string | Buffer)();
};

const nowhere: fc.Arbitrary<PlannedRequest> = fc
  .tuple(
    caller,
    fc.constantFrom('get', 'post', 'put', 'delete', 'patch', 'options', 'head'),
    fc.constantFrom(
      '/',
      '/v1',
      '/v1/orgs',
      '/v1/orgs/~orgId~/triggers/~triggers~',
      '/v2/orgs',
      '//',
      '/%',
      '/v1/orgs/~orgId~/nothing',
      '/docs/x/y',
      '/metrics/',
    ),
    oddText,
  )
  .map(([by, method, path, odd]) => ({
    operation: null,
    caller: by,
    method,
    url: odd.length < 20 ? `${path}${path.endsWith('/') ? escaped(odd) : ''}` : path,
    headers: [],
    body: null,
  }));

/** Requests over the whole document: mostly near to what is right, since what is plainly wrong is refused at the door. */
export const requestArbitrary = (document: JsonSchema, operations: readonly DocumentedOperation[]): fc.Arbitrary<PlannedRequest> => {
  const requests = new RequestArbitrary(document);
  return fc.oneof({ weight: 2, arbitrary: nowhere }, ...operations.map((operation) => ({ weight: 1, arbitrary: requests.of(operation) })));
};
