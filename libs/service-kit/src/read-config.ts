import { z } from 'zod';

/** A setting that is missing or wrong; the message names each one. Start stops with it. */
export class InvalidSettingsError extends Error {
  constructor(readonly settings: readonly { name: string; detail: string }[]) {
    super(settings.map(({ name, detail }) => `${name}: ${detail}`).join('; '));
    this.name = 'InvalidSettingsError';
  }
}

/**
 * Reads settings from the environment through one schema. An empty variable counts as unset, so that a default holds.
 * Throws `InvalidSettingsError`. Values are never part of the message: a setting may be a secret.
 */
export const readConfig = <Shape extends z.core.$ZodLooseShape>(
  schema: z.ZodObject<Shape>,
  env: Readonly<Record<string, string | undefined>> = process.env,
): z.infer<z.ZodObject<Shape>> => {
  const given = Object.fromEntries(
    Object.entries(env).filter(([name, value]) => value !== undefined && value !== '' && name in schema.shape),
  );
  const read = schema.safeParse(given);
  if (read.success) return read.data;
  throw new InvalidSettingsError(read.error.issues.map((issue) => ({ name: String(issue.path[0] ?? 'settings'), detail: issue.message })));
};

/** `true`/`false`/`1`/`0` of an environment variable. */
export const flag = z.enum(['true', 'false', '1', '0']).transform((text) => text === 'true' || text === '1');

/** A whole number of an environment variable within bounds. */
export const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must lie between ${min} and ${max}`);
