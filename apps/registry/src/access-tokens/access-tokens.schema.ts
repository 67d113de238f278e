import { z } from 'zod';
import { rfc3339, scope, writeTime } from '@cf/contract';
import { pageQuery } from '@cf/service-kit';
import { line, name } from '../http/text.schema.js';
import type { AccessTokenEntity } from './access-token.entity.js';

const future = rfc3339.refine((time) => Date.parse(time) > Date.now(), {
  error: 'must lie in the future',
  params: { code: 'not_in_future' },
});

/** Postgres ends its calendar later, but a token that outlives this was not meant to expire. */
const beforeYear10000 = (time: string): boolean => Date.parse(time) < Date.UTC(10_000, 0);

export const createAccessToken = z.strictObject({
  name,
  scopes: z
    .array(scope)
    .min(1)
    .max(scope.options.length)
    .refine((scopes) => new Set(scopes).size === scopes.length, { error: 'must not name a scope twice', params: { code: 'duplicate' } }),
  expiresAt: future
    .refine(beforeYear10000, 'must be before the year 10000')
    .nullish()
    .transform((time) => time ?? null),
});
export type CreateAccessToken = z.infer<typeof createAccessToken>;

export const listAccessTokens = z.object({ ...pageQuery, name: line(200).optional() });
export type ListAccessTokens = z.infer<typeof listAccessTokens>;

const written = (time: Date | null): string | null => (time === null ? null : writeTime(time));

export const answerAccessToken = (row: AccessTokenEntity): object => ({
  id: row.id,
  orgId: row.orgId,
  name: row.name,
  scopes: row.scopes,
  expiresAt: written(row.expiresAt),
  lastUsedAt: written(row.lastUsedAt),
  createdAt: writeTime(row.createdAt),
});
