/**
 * Says why what was valid by one JSON Schema may not be valid by another, for the part of JSON Schema that our documents use.
 *
 * `uncovered(inner, outer)` asks whether `outer` takes everything that `inner` takes. What we read must cover what we read before, so a request is
 * asked with the old schema as `inner`; what we write must be covered by what others expect, so an answer is asked with the new one as `inner`.
 * One thing is not a matter of sets: a field that is gone, though nothing forbade to leave it out, is missed by whoever used it.
 */
import type { JsonSchema } from './json-schemas.js';

export type Direction = 'read' | 'written';

type Resolve = (schema: JsonSchema) => JsonSchema;

/** Finds what `$ref`s of a document point to. */
export const resolverOf =
  (document: JsonSchema): Resolve =>
  (schema) => {
    const { $ref, ...beside } = schema;
    if (typeof $ref !== 'string') return schema;
    const found = $ref
      .slice(2)
      .split('/')
      .reduce<unknown>((at, part) => (at as JsonSchema)[part.replaceAll('~1', '/').replaceAll('~0', '~')], document);
    return { ...resolverOf(document)(found as JsonSchema), ...beside };
  };

/** A schema as the alternatives that it names: unions and lists of types are taken apart. */
const branchesOf = (given: JsonSchema, resolve: Resolve): JsonSchema[] => {
  const { anyOf, oneOf, allOf, ...schema } = resolve(given);
  const union = (anyOf ?? oneOf) as JsonSchema[] | undefined;
  if (union !== undefined) return union.flatMap((branch) => branchesOf({ ...schema, ...resolve(branch) }, resolve));
  if (allOf !== undefined)
    return branchesOf(
      (allOf as JsonSchema[]).reduce<JsonSchema>((all, part) => merged(all, resolve(part)), schema),
      resolve,
    );
  return Array.isArray(schema['type']) ? schema['type'].map((type: unknown) => ({ ...schema, type })) : [schema];
};

const record = (value: unknown): Record<string, JsonSchema> => (value ?? {}) as Record<string, JsonSchema>;
const list = (value: unknown): string[] => (value ?? []) as string[];

const merged = (a: JsonSchema, b: JsonSchema): JsonSchema => ({
  ...a,
  ...b,
  properties: { ...record(a['properties']), ...record(b['properties']) },
  required: [...list(a['required']), ...list(b['required'])],
});

const valuesOf = ({ const: only, enum: some }: JsonSchema): unknown[] | undefined =>
  only === undefined ? (some as unknown[] | undefined) : [only];

const LOWER = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties'];
const UPPER = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties'];

export class SchemaComparison {
  constructor(
    private readonly direction: Direction,
    private readonly resolveInner: Resolve,
    private readonly resolveOuter: Resolve,
  ) {}

  uncovered(inner: JsonSchema, outer: JsonSchema, at: string): string[] {
    const outers = branchesOf(outer, this.resolveOuter);
    return branchesOf(inner, this.resolveInner).flatMap((branch) => {
      const tries = outers.map((candidate) => this.uncoveredBranch(branch, candidate, at));
      return tries.reduce((best, next) => (next.length < best.length ? next : best));
    });
  }

  private uncoveredBranch(inner: JsonSchema, outer: JsonSchema, at: string): string[] {
    const type = this.typeOf(inner, outer, at);
    if (type.length > 0) return type;
    return [
      ...this.values(inner, outer, at),
      ...this.bounds(inner, outer, at),
      ...this.changed('pattern', inner, outer, at),
      ...this.changed('format', inner, outer, at),
      ...(this.direction === 'read' ? this.changedDefault(inner, outer, at) : []),
      ...this.properties(inner, outer, at),
      ...this.items(inner, outer, at),
    ];
  }

  private typeOf({ type: inner }: JsonSchema, { type: outer }: JsonSchema, at: string): string[] {
    if (outer === undefined || inner === outer || (inner === 'integer' && outer === 'number')) return [];
    return [`${at}: ${String(inner ?? 'anything')} does not fit ${String(outer)}`];
  }

  private values(inner: JsonSchema, outer: JsonSchema, at: string): string[] {
    const allowed = valuesOf(outer);
    if (allowed === undefined || outer['x-grows'] === true) return [];
    const given = valuesOf(inner);
    if (given === undefined) return [`${at}: any value does not fit ${JSON.stringify(allowed)}`];
    return given.filter((value) => !allowed.includes(value)).map((value) => `${at}: the value ${JSON.stringify(value)} is ${this.word}`);
  }

  private get word(): string {
    return this.direction === 'read' ? 'not taken any more' : 'new to readers';
  }

  private bounds(inner: JsonSchema, outer: JsonSchema, at: string): string[] {
    const tighter = (key: string, isTighter: (inner: number, outer: number) => boolean): string[] => {
      const [from, to] = [inner[key], outer[key]] as [number | undefined, number | undefined];
      return to === undefined || (from !== undefined && !isTighter(from, to))
        ? []
        : [`${at}: ${key} ${String(from ?? 'unset')} does not fit ${to}`];
    };
    return [
      ...LOWER.flatMap((key) => tighter(key, (from, to) => to > from)),
      ...UPPER.flatMap((key) => tighter(key, (from, to) => to < from)),
    ];
  }

  private changed(key: 'pattern' | 'format', inner: JsonSchema, outer: JsonSchema, at: string): string[] {
    return outer[key] === undefined || outer[key] === inner[key]
      ? []
      : [`${at}: ${key} ${String(inner[key] ?? 'unset')} does not fit ${String(outer[key])}`];
  }

  private changedDefault(inner: JsonSchema, outer: JsonSchema, at: string): string[] {
    const [from, to] = [JSON.stringify(inner['default']), JSON.stringify(outer['default'])];
    return from === undefined || from === to ? [] : [`${at}: the default ${from} is ${to ?? 'gone'}`];
  }

  private properties(inner: JsonSchema, outer: JsonSchema, at: string): string[] {
    const [inners, outers] = [record(inner['properties']), record(outer['properties'])];
    const [before, after] = this.direction === 'read' ? [inners, outers] : [outers, inners];
    const always = list(inner['required']);
    return [
      ...Object.keys(before)
        .filter((name) => !Object.hasOwn(after, name))
        .map((name) => `${at}/${name}: is gone`),
      ...list(outer['required'])
        .filter((name) => !always.includes(name) && (Object.hasOwn(inners, name) || this.direction === 'read'))
        .map((name) => `${at}/${name}: ${this.direction === 'read' ? 'is required now' : 'may be missing now'}`),
      ...Object.entries(inners).flatMap(([name, schema]) => {
        const other = outers[name];
        return other === undefined ? [] : this.uncovered(schema, other, `${at}/${name}`);
      }),
      ...this.unknownProperties(inner, outer, at),
    ];
  }

  /** A closed object takes no field more; a map of anything is compared by its values. */
  private unknownProperties(inner: JsonSchema, outer: JsonSchema, at: string): string[] {
    const [from, to] = [inner['additionalProperties'] ?? true, outer['additionalProperties'] ?? true];
    if (to === false) {
      const added = Object.keys(record(inner['properties'])).filter((name) => !Object.hasOwn(record(outer['properties']), name));
      if (this.direction === 'written') return added.map((name) => `${at}/${name}: is new, and the object was closed`);
      return from === false || inner['type'] !== 'object' ? [] : [`${at}: fields that are not known are refused now`];
    }
    return typeof from === 'object' && typeof to === 'object' ? this.uncovered(from as JsonSchema, to as JsonSchema, `${at}/*`) : [];
  }

  private items({ items: inner }: JsonSchema, { items: outer }: JsonSchema, at: string): string[] {
    if (outer === undefined) return [];
    return this.uncovered((inner ?? {}) as JsonSchema, outer as JsonSchema, `${at}/-`);
  }
}
