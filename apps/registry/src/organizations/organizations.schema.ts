import { z } from 'zod';
import { organization, RETENTION_DAYS, writtenTime } from '@cf/contract';
import { pageQuery } from '@cf/service-kit';
import { answered } from '../http/answered.schema.js';
import { line, name } from '../http/text.schema.js';
import type { OrganizationEntity } from './organization.entity.js';
import { organizationOf } from './organization.kind.js';

const retentionDays = z.int().min(RETENTION_DAYS.min).max(RETENTION_DAYS.max);

/** Cloud Functions is a premium feature: off until somebody switches it on. */
export const createOrganization = z
  .strictObject({
    name,
    cloudFunctionsEnabled: z.boolean().default(false),
    retentionDays: retentionDays.default(RETENTION_DAYS.default),
  })
  .meta({ id: 'CreateOrganization' });
export type CreateOrganization = z.infer<typeof createOrganization>;

export const organizationExample: z.input<typeof createOrganization> = { name: 'North Clinic', cloudFunctionsEnabled: true };

export const patchOrganization = z
  .strictObject({
    name: name.optional(),
    cloudFunctionsEnabled: z.boolean().optional(),
    retentionDays: retentionDays.optional(),
  })
  .meta({ id: 'PatchOrganization' });
export type PatchOrganization = z.infer<typeof patchOrganization>;

export const listOrganizations = z.object({ ...pageQuery, name: line(200).optional() });
export type ListOrganizations = z.infer<typeof listOrganizations>;

export const organizationAnswer = organization.extend({ updatedAt: writtenTime, ...answered }).meta({ id: 'Organization' });

export const answerOrganization = (row: OrganizationEntity): z.input<typeof organizationAnswer> => ({
  ...organizationOf(row),
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});
