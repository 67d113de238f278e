import { registryChanges, type Organization } from '@cf/contract';
import { publishedKind } from '../change-log/published-kind.js';
import { OrganizationEntity } from './organization.entity.js';

export const organizationOf = ({ id, name, cloudFunctionsEnabled, retentionDays }: OrganizationEntity): Organization => ({
  id,
  name,
  cloudFunctionsEnabled,
  retentionDays,
});

export const organizationKind = publishedKind<OrganizationEntity>({
  type: 'organization',
  entity: OrganizationEntity,
  topic: registryChanges,
  orgIdOf: ({ id }) => id,
  resourceOf: organizationOf,
});
