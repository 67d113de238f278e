import { jsonSchemaOf } from '@cf/service-kit';
import { z } from 'zod';

/** Postgres takes no NUL, JSON columns no half surrogate pair, and nobody types the other control characters on purpose. */
const CONTROL_OR_HALF_CHARACTER = /[\p{Cc}\p{Cs}]/u;

/** One line of text, kept exactly as given. */
export const line = (charsMax: number, charsMin = 1) =>
  z
    .string()
    .min(charsMin)
    .max(charsMax)
    .refine((text) => !CONTROL_OR_HALF_CHARACTER.test(text), {
      error: 'must not hold control characters',
      params: { code: 'control_character' },
    });

/** Names are for people: this fits a list column, and they need not be unique. */
export const NAME_CHARS_MAX = 200;

export const name = line(NAME_CHARS_MAX).refine((text) => text.trim() !== '', { error: 'must not be blank', params: { code: 'blank' } });

/** Bounds the encrypted value in a topic record; the longest bearer tokens in use (JWTs with many claims) are shorter. */
export const SECRET_CHARS_MAX = 8_192;

/** How a secret that is there is answered. */
export const secretIsSet = { isSet: true } as const;

/** How a secret is answered that need not be there. */
export const isSet = (sealed: string | null): { readonly isSet: boolean } => ({ isSet: sealed !== null });

export const setSecret = z.object({ isSet: z.literal(true) });
export const perhapsSetSecret = z.object({ isSet: z.boolean() });

const isAnsweredSecret = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  Object.keys(value).join() === 'isSet' &&
  typeof (value as { isSet: unknown }).isSet === 'boolean';

/** A secret in a request. Left out, or sent as it was answered (`{"isSet":true}`, or false where there is none), it means: keep what is there. */
export const secretOf = <T>(text: z.ZodType<T>) =>
  z
    .preprocess((value) => (isAnsweredSecret(value) ? undefined : value), text.optional())
    .meta({ jsonSchema: { anyOf: [text, perhapsSetSecret].map((schema) => jsonSchemaOf(schema)) } })
    .optional();

export const secret = secretOf(line(SECRET_CHARS_MAX));
