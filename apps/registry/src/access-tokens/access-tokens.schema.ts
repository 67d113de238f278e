import { z } from 'zod';
import { rfc3339, scope, uuid, writeTime, writtenTime } from '@cf/contract';
import { pageQuery } from '@cf/service-kit';
import { answered } from '../http/answered.schema.js';
import { line, name } from '../http/text.schema.js';
import type { AccessTokenEntity } from './access-token.entity.js';

const expiry = rfc3339.pipe(
  z
    .string()
    .refine((time) => Date.parse(time) > Date.now(), { error: 'must lie in the future', params: { code: 'not_in_future' } })
    // Timestamps are written with four digits of year.
    .refine((time) => Date.parse(time) < Date.UTC(10_000, 0), 'must lie before the year 10000'),
);

export const createAccessToken = z
  .strictObject({
    name,
    scopes: z
      .array(scope)
      .min(1)
      .max(scope.options.length)
      .refine((scopes) => new Set(scopes).size === scopes.length, { error: 'must not name a scope twice', params: { code: 'duplicate' } }),
    expiresAt: expiry.nullish().transform((time) => time ?? null),
  })
  .meta({ id: 'CreateAccessToken' });
export type CreateAccessToken = z.infer<typeof createAccessToken>;

export const accessTokenExample: z.input<typeof createAccessToken> = {
  name: 'Chat platform',
  scopes: ['chat-events:publish', 'step-executions:run'],
  expiresAt: '2036-01-01T00:00:00.000Z',
};

export const listAccessTokens = z.object({ ...pageQuery, name: line(200).optional() });
export type ListAccessTokens = z.infer<typeof listAccessTokens>;

const written = (time: Date | null): string | null => (time === null ? null : writeTime(time));

export const accessTokenAnswer = z
  .object({
    id: uuid,
    orgId: uuid,
    name: z.string(),
    scopes: z.array(scope),
    expiresAt: writtenTime.nullable(),
    lastUsedAt: writtenTime.nullable(),
    parentId: uuid.nullable().meta({ description: 'The token that made this one, and that it is revoked with.' }),
    ...answered,
  })
  .meta({ id: 'AccessToken' });

/** The only answer that ever holds the token. */
export const newAccessTokenAnswer = accessTokenAnswer.extend({ token: z.string() }).meta({ id: 'NewAccessToken' });

export const answerAccessToken = (row: AccessTokenEntity): z.infer<typeof accessTokenAnswer> => ({
  id: row.id,
  orgId: row.orgId,
  name: row.name,
  scopes: row.scopes,
  expiresAt: written(row.expiresAt),
  lastUsedAt: written(row.lastUsedAt),
  parentId: row.parentId,
  createdAt: writeTime(row.createdAt),
});
