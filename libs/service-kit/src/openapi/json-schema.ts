import { z } from 'zod';

type Override = NonNullable<NonNullable<Parameters<typeof z.toJSONSchema>[1]>['override']>;

/** A schema may bring its own text (`meta({ jsonSchema })`) where a transformation hides what it reads. */
const override: Override = ({ zodSchema, jsonSchema }) => {
  const given = z.globalRegistry.get(zodSchema as unknown as z.ZodType)?.['jsonSchema'];
  if (typeof given !== 'object') return;
  for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
  Object.assign(jsonSchema, given);
};

/** A zod schema as JSON Schema 2020-12: what is read (`input`: a field with a default may be left out) or what is written (`output`). */
export const jsonSchemaOf = (schema: z.ZodType, io: 'input' | 'output' = 'input'): Record<string, unknown> =>
  z.toJSONSchema(schema, { io, override }) as Record<string, unknown>;
