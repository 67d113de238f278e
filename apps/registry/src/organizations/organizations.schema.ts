import { z } from 'zod';
import { RETENTION_DAYS } from '@cf/contract';
import { pageQuery } from '@cf/service-kit';
import { line, name } from '../http/text.schema.js';
import type { OrganizationEntity } from './organization.entity.js';
import { organizationOf } from './organization.kind.js';

const retentionDays = z.int().min(RETENTION_DAYS.min).max(RETENTION_DAYS.max);

/** Cloud Functions is a premium feature: off until somebody switches it on. */
export const createOrganization = z.strictObject({
  name,
  cloudFunctionsEnabled: z.boolean().default(false),
  retentionDays: retentionDays.default(RETENTION_DAYS.default),
});
export type CreateOrganization = z.infer<typeof createOrganization>;

export const patchOrganization = z.strictObject({
  name: name.optional(),
  cloudFunctionsEnabled: z.boolean().optional(),
  retentionDays: retentionDays.optional(),
});
export type PatchOrganization = z.infer<typeof patchOrganization>;

export const listOrganizations = z.object({ ...pageQuery, name: line(200).optional() });
export type ListOrganizations = z.infer<typeof listOrganizations>;

export const answerOrganization = (row: OrganizationEntity): object => ({
  ...organizationOf(row),
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});
