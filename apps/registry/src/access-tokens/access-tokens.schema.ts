import { z } from 'zod';
import { rfc3339, scope, writeTime } from '@cf/contract';
import { pageQuery } from '@cf/service-kit';
import { line, name } from '../http/text.schema.js';
import type { AccessTokenEntity } from './access-token.entity.js';

const expiry = rfc3339.pipe(
  z
    .string()
    .refine((time) => Date.parse(time) > Date.now(), { error: 'must lie in the future', params: { code: 'not_in_future' } })
    // Timestamps are written with four digits of year.
    .refine((time) => Date.parse(time) < Date.UTC(10_000, 0), 'must lie before the year 10000'),
);

export const createAccessToken = z.strictObject({
  name,
  scopes: z
    .array(scope)
    .min(1)
    .max(scope.options.length)
    .refine((scopes) => new Set(scopes).size === scopes.length, { error: 'must not name a scope twice', params: { code: 'duplicate' } }),
  expiresAt: expiry.nullish().transform((time) => time ?? null),
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
