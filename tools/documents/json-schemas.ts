import { jsonSchemaOf } from '@cf/service-kit';
import type { z } from 'zod';

export type JsonSchema = Record<string, unknown>;

const isObject = (value: unknown): value is JsonSchema => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The same JSON with every object replaced by what `change` makes of it, inner ones first. */
export const mapObjects = (value: unknown, change: (object: JsonSchema) => JsonSchema): unknown => {
  if (Array.isArray(value)) return value.map((item) => mapObjects(item, change));
  if (!isObject(value)) return value;
  return change(Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, mapObjects(inner, change)])));
};

/** A format says enough. */
const withoutPattern = ({ pattern, ...rest }: JsonSchema): JsonSchema =>
  pattern === undefined || 'format' in rest ? rest : { ...rest, pattern };

const opened = (schema: JsonSchema): JsonSchema =>
  mapObjects(schema, ({ additionalProperties, ...rest }) =>
    additionalProperties === false || additionalProperties === undefined ? rest : { ...rest, additionalProperties },
  ) as JsonSchema;

/**
 * JSON Schemas of zod schemas; what has an id becomes a component, and everything else refers to it. A request is shown as it is read (`input`:
 * what has a default may be left out), an answer as it is written (`output`).
 */
export class JsonSchemas {
  readonly components: Record<string, JsonSchema> = {};

  /** `closed` answers have no more fields than are said; published ones may get more later (wire.md). */
  constructor(
    private readonly place: string,
    private readonly closed: boolean,
  ) {}

  of(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
    const { $defs = {}, $schema: _, ...root } = jsonSchemaOf(schema, io) as JsonSchema & { $defs?: Record<string, JsonSchema> };
    const shown = (part: JsonSchema): JsonSchema => (io === 'output' && !this.closed ? opened(this.refer(part)) : this.refer(part));
    for (const [id, component] of Object.entries($defs)) this.add(id, shown(component));
    return shown(root);
  }

  private add(id: string, component: JsonSchema): void {
    const known = this.components[id];
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(component)) throw new Error(`two schemas have the id ${id}`);
    this.components[id] = component;
  }

  private refer(schema: JsonSchema): JsonSchema {
    return mapObjects(schema, ({ $ref, $schema: _, ...rest }) => ({
      ...withoutPattern(rest),
      ...(typeof $ref === 'string' ? { $ref: $ref.replace('#/$defs/', this.place) } : {}),
    })) as JsonSchema;
  }
}
