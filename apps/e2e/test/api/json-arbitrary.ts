import fc from 'fast-check';
import type { JsonSchema } from '../../../../tools/documents/json-schemas.js';

/** Stands for an id that exists when the request is sent (`KnownIds`), or for the address of the customer's endpoint. */
export const placeholder = (name: string): string => `~${name}~`;

const nested = (depth: number): unknown => Array.from({ length: depth }).reduce<unknown>((inner) => [inner], null);

/** What sooner or later somebody sends where it does not belong. */
export const oddValue: fc.Arbitrary<unknown> = fc.constantFrom<unknown>(
  ...[null, true, false, 0, -1, 1.5, 2 ** 31, 2 ** 53, -(2 ** 63), 1e308, 5e-324, [], {}, [[]], nested(500), [null], { a: {} }],
  ...[
    '',
    ' ',
    '0',
    '-1',
    'null',
    'a'.repeat(10_000),
    '\u0000',
    'a\u0000b',
    '\ud800',
    '\udfff\ud800',
    '\u202e',
    '𝒳',
    '\ufeff',
    'é',
    'ﷺ',
    '\r\n',
  ],
  ...["' OR 1=1 --", '${7*7}', '../../etc/passwd', '%00', '%', '\\', '<script>', 'constructor', '__proto__', 'toString'],
  ...[
    '0000-01-01T00:00:00Z',
    '+275760-09-13T00:00:00Z',
    '9999-12-31T23:59:60Z',
    '2026-02-30T00:00:00Z',
    '2026-01-01T00:00:00+23:59',
    '1e400',
  ],
  ...[
    '00000000-0000-0000-0000-000000000000',
    'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
    'http://127.0.0.1:1',
    'https://nowhere.invalid/',
    'file:///etc',
  ],
  ...[
    { __proto__: null, toString: 1 },
    JSON.parse('{"__proto__":{"admin":true}}') as unknown,
    { constructor: { prototype: {} } },
    { isSet: true },
  ],
);

const time: fc.Arbitrary<string> = fc.oneof(
  fc.date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }).map((date) => date.toISOString()),
  fc.constantFrom('2026-11-22t15:04:05z', '2026-11-22T15:04:60Z', '2026-11-22T15:04:05.123456789+05:30', '0001-01-01T00:00:00Z'),
);

const integer = ({ minimum, maximum, exclusiveMinimum }: JsonSchema): fc.Arbitrary<number> => {
  const min = (minimum ?? exclusiveMinimum ?? -1_000) as number;
  const max = (maximum ?? Math.max(min, 1_000_000)) as number;
  return fc.oneof(fc.constantFrom(min, max), fc.integer({ min: Math.max(min, -(2 ** 31)), max: Math.min(max, 2 ** 31 - 1) }));
};

const text = ({ format, minLength = 0, maxLength = 50 }: JsonSchema): fc.Arbitrary<string> => {
  if (format === 'uuid') return fc.uuid();
  if (format === 'date-time') return time;
  const bounds = { minLength: minLength as number, maxLength: Math.max(minLength as number, Math.min(maxLength as number, 60)) };
  return fc.oneof({ weight: 4, arbitrary: fc.string(bounds) }, { weight: 1, arbitrary: fc.string({ ...bounds, unit: 'grapheme' }) });
};

/** Names whose values mean something to the product are mostly given such a value. */
const meaningful = (name: string): fc.Arbitrary<string> | null => {
  if (name === 'baseUrl' || name === 'accessTokenUrl') return fc.constant(placeholder('endpoint'));
  if (name === 'endpointUrl') return fc.constantFrom('ok', 'ok?a=1', '/ok', 'other/path');
  return /^[a-z][a-zA-Z]*Id$/.test(name) ? fc.constant(placeholder(name)) : null;
};

/** Values of JSON Schemas of one document, as far as our documents use JSON Schema; what a schema does not say may still be refused. */
export class JsonArbitrary {
  constructor(private readonly document: JsonSchema) {}

  of(given: JsonSchema): fc.Arbitrary<unknown> {
    const schema = this.resolve(given);
    const { const: only, enum: some, anyOf, oneOf, type } = schema;
    if (only !== undefined) return fc.constant(only);
    if (some !== undefined) return fc.constantFrom(...(some as unknown[]));
    const union = (anyOf ?? oneOf) as JsonSchema[] | undefined;
    if (union !== undefined) return fc.oneof(...union.map((branch) => this.of(branch)));
    if (Array.isArray(type)) return fc.oneof(...type.map((each: unknown) => this.of({ ...schema, type: each })));
    return this.ofType(schema);
  }

  private ofType(schema: JsonSchema): fc.Arbitrary<unknown> {
    switch (schema['type']) {
      case 'string':
        return text(schema);
      case 'integer':
        return integer(schema);
      case 'number':
        return fc.oneof(integer(schema), fc.double({ min: (schema['minimum'] as number | undefined) ?? -1e9, max: 1e9, noNaN: true }));
      case 'boolean':
        return fc.boolean();
      case 'null':
        return fc.constant(null);
      case 'array':
        return fc.array(this.of((schema['items'] ?? {}) as JsonSchema), {
          minLength: (schema['minItems'] as number | undefined) ?? 0,
          maxLength: 3,
        });
      case 'object':
        return this.ofObject(schema);
      default:
        return fc.oneof(oddValue, fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<unknown>);
    }
  }

  private ofObject({ properties = {}, required = [], additionalProperties }: JsonSchema): fc.Arbitrary<unknown> {
    const byName = Object.entries(properties as Record<string, JsonSchema>).map(([name, schema]) => {
      const known = meaningful(name);
      return [
        name,
        known === null
          ? this.of(schema)
          : fc.oneof({ weight: 6, arbitrary: known as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: this.of(schema) }),
      ];
    });
    const record = fc.record(Object.fromEntries(byName) as Record<string, fc.Arbitrary<unknown>>, { requiredKeys: required as string[] });
    if (byName.length > 0 || typeof additionalProperties !== 'object') return record;
    return fc.dictionary(fc.string({ maxLength: 20 }), this.of(additionalProperties as JsonSchema), { maxKeys: 3 });
  }

  private resolve(schema: JsonSchema): JsonSchema {
    const { $ref } = schema;
    if (typeof $ref !== 'string') return schema;
    const { schemas } = this.document['components'] as { schemas: Record<string, JsonSchema> };
    return this.resolve(schemas[$ref.slice('#/components/schemas/'.length)] ?? {});
  }
}

type Container = Record<string, unknown>;
const isContainer = (value: unknown): value is Container => typeof value === 'object' && value !== null;

const containersIn = (value: unknown): Container[] =>
  isContainer(value) ? [value, ...Object.values(value).flatMap((inner) => containersIn(inner))] : [];

/** The same value with one place replaced, removed or added; `where` and `how` choose which. */
export const mutated = (value: unknown, where: number, how: number, odd: unknown): unknown => {
  const copy = structuredClone(value);
  const containers = containersIn(copy);
  const container = containers[where % Math.max(1, containers.length)];
  if (container === undefined) return odd;
  const names = Object.keys(container);
  const name = names[where % Math.max(1, names.length)] ?? 'x';
  if (how % 4 === 0) delete container[name];
  else if (how % 4 === 1) container[`${name}s`] = odd;
  else container[name] = odd;
  return copy;
};
