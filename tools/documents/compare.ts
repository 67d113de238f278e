/**
 * What in a new version of a document breaks whoever relies on the one before, as a list of places; empty when nothing does. A new major version
 * may break what it likes. Refusals (4xx, 5xx) are not compared by their bodies: their schema is one for all, and codes are added as checks are.
 */
import { resolverOf, SchemaComparison } from './compare-schemas.js';
import type { JsonSchema } from './json-schemas.js';

type Objects = Record<string, JsonSchema>;
const objects = (value: unknown): Objects => (value ?? {}) as Objects;

const majorOf = ({ info }: JsonSchema): number => Number(String((info as JsonSchema)['version']).split('.')[0]);

export const breakingChanges = (before: JsonSchema, after: JsonSchema): string[] => {
  if (majorOf(after) > majorOf(before)) return [];
  return 'openapi' in before ? new OpenApiComparison(before, after).changes() : new AsyncApiComparison(before, after).changes();
};

class Comparison {
  private readonly read: SchemaComparison;
  private readonly written: SchemaComparison;
  protected readonly old: (schema: JsonSchema) => JsonSchema;
  protected readonly new: (schema: JsonSchema) => JsonSchema;

  constructor(
    protected readonly before: JsonSchema,
    protected readonly after: JsonSchema,
  ) {
    this.old = resolverOf(before);
    this.new = resolverOf(after);
    this.read = new SchemaComparison('read', this.old, this.new);
    this.written = new SchemaComparison('written', this.new, this.old);
  }

  /** What is there no more, and what `compare` finds in the rest. */
  protected each(
    before: unknown,
    after: unknown,
    at: string,
    compare: (before: JsonSchema, after: JsonSchema, at: string) => string[],
  ): string[] {
    return Object.entries(objects(before)).flatMap(([name, old]) => {
      const present = objects(after)[name];
      return present === undefined ? [`${at} ${name}: is gone`] : compare(old, present, `${at} ${name}`);
    });
  }

  protected reads(before: unknown, after: unknown, at: string): string[] {
    return this.read.uncovered((before ?? {}) as JsonSchema, (after ?? {}) as JsonSchema, at);
  }

  protected writes(before: unknown, after: unknown, at: string): string[] {
    return this.written.uncovered((after ?? {}) as JsonSchema, (before ?? {}) as JsonSchema, at);
  }
}

const METHODS = ['get', 'put', 'post', 'patch', 'delete'];
const operationsOf = (item: JsonSchema): Objects =>
  Object.fromEntries(Object.entries(objects(item)).filter(([key]) => METHODS.includes(key)));

class OpenApiComparison extends Comparison {
  changes(): string[] {
    const { before, after } = this;
    return [
      ...this.each(before['paths'], after['paths'], 'path', (old, present, path) =>
        this.each(operationsOf(old), operationsOf(present), path, (o, p, at) => this.operation(o, p, at)),
      ),
      ...this.each(before['webhooks'], after['webhooks'], 'webhook', (old, present, name) =>
        this.each(operationsOf(old), operationsOf(present), name, (o, p, at) => this.webhook(o, p, at)),
      ),
    ];
  }

  private operation(old: JsonSchema, present: JsonSchema, at: string): string[] {
    return [
      ...(JSON.stringify(old['security']) === JSON.stringify(present['security']) ? [] : [`${at}: asks for another token`]),
      ...this.parameters(old, present, at),
      ...this.requestBody(old, present, at),
      ...this.answers(old, present, at),
    ];
  }

  private parameters(old: JsonSchema, present: JsonSchema, at: string): string[] {
    const byName = ({ parameters }: JsonSchema): Objects =>
      Object.fromEntries(
        ((parameters ?? []) as JsonSchema[]).map((each) => [`${String(each['in'])} ${String(each['name']).toLowerCase()}`, each]),
      );
    const [before, after] = [byName(old), byName(present)];
    return [
      ...this.each(before, after, `${at} parameter`, (o, p, place) => this.reads(o['schema'], p['schema'], place)),
      ...Object.keys(after)
        .filter((name) => after[name]?.['required'] === true && before[name]?.['required'] !== true)
        .map((name) => `${at} parameter ${name}: is required now`),
    ];
  }

  private requestBody(old: JsonSchema, present: JsonSchema, at: string): string[] {
    const [before, after] = [objects(old)['requestBody'], objects(present)['requestBody']];
    if (after === undefined) return before === undefined ? [] : [`${at} body: is gone`];
    return [
      ...(after['required'] === true && before?.['required'] !== true ? [`${at} body: is required now`] : []),
      ...this.each(before?.['content'], after['content'], `${at} body`, (o, p, place) => this.reads(o['schema'], p['schema'], place)),
    ];
  }

  private answers(old: JsonSchema, present: JsonSchema, at: string): string[] {
    return this.each(this.successes(old), this.successes(present), `${at} answer`, (o, p, place) => [
      ...this.each(o['headers'], p['headers'], `${place} header`, () => []),
      ...this.each(o['content'], p['content'], place, (before, after, type) => this.writes(before['schema'], after['schema'], type)),
    ]);
  }

  private successes({ responses }: JsonSchema): Objects {
    return Object.fromEntries(Object.entries(objects(responses)).filter(([status]) => status.startsWith('2')));
  }

  /** Here we are the caller: what is a request to us is written to others, and what they answer is read. */
  private webhook(old: JsonSchema, present: JsonSchema, at: string): string[] {
    const bodies = ({ requestBody }: JsonSchema): unknown => objects(requestBody)['content'];
    const headers = ({ parameters }: JsonSchema): Objects =>
      Object.fromEntries(
        ((parameters ?? []) as JsonSchema[]).filter((each) => each['required'] === true).map((each) => [String(each['name']), each]),
      );
    return [
      ...this.each(bodies(old), bodies(present), `${at} body`, (o, p, type) => this.writes(o['schema'], p['schema'], type)),
      ...this.each(headers(old), headers(present), `${at} header`, () => []),
      ...this.each(old['responses'], present['responses'], `${at} answer`, (o, p, status) =>
        this.each(o['content'], p['content'], status, (before, after, type) => this.reads(before['schema'], after['schema'], type)),
      ),
    ];
  }
}

/** Messages are written by one release and read by another, older or newer: each must read what the other writes. */
class AsyncApiComparison extends Comparison {
  changes(): string[] {
    const { before, after } = this;
    return [
      ...this.each(before['channels'], after['channels'], 'topic', (old, present, at) => [
        ...(old['address'] === present['address'] ? [] : [`${at}: its name is ${String(present['address'])} now`]),
        ...this.topicSettings(old, present, at),
        ...this.each(old['messages'], present['messages'], `${at} message`, (o, p, place) => this.message(o, p, place)),
      ]),
      ...this.each(before['operations'], after['operations'], 'operation', () => []),
    ];
  }

  private topicSettings(old: JsonSchema, present: JsonSchema, at: string): string[] {
    const settings = ({ bindings }: JsonSchema): JsonSchema => (objects(bindings)['kafka']?.['topicConfiguration'] ?? {}) as JsonSchema;
    const [before, after] = [settings(old), settings(present)];
    const lowered = ['retention.ms', 'max.message.bytes'].filter((key) => Number(after[key] ?? Infinity) < Number(before[key] ?? Infinity));
    return [
      ...(String(before['cleanup.policy']) === String(after['cleanup.policy']) ? [] : [`${at}: its cleanup policy is another one`]),
      ...lowered.map((key) => `${at}: ${key} is lower`),
    ];
  }

  private message(old: JsonSchema, present: JsonSchema, at: string): string[] {
    const keyOf = ({ bindings }: JsonSchema): string => JSON.stringify(objects(bindings)['kafka']?.['key']);
    return [
      ...(keyOf(old) === keyOf(present) ? [] : [`${at}: its key is another one`]),
      ...['payload', 'headers'].flatMap((part) => [
        ...this.reads(old[part], present[part], `${at} ${part}`),
        ...this.writes(old[part], present[part], `${at} ${part}`),
      ]),
    ];
  }
}
