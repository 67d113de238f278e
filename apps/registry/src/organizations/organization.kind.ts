import { registryChanges, type Organization } from '@cf/contract';
import { publishedKind } from '../change-log/published-kind.js';
import { OrganizationEntity } from './organization.entity.js';

export const organizationOf = ({ id, name, cloudFunctionsEnabled }: OrganizationEntity): Organization => ({
  id,
  name,
  cloudFunctionsEnabled,
});

export const organizationKind = publishedKind<OrganizationEntity>({
  type: 'organization',
  entity: OrganizationEntity,
  topic: registryChanges,
  orgIdOf: ({ id }) => id,
  resourceOf: organizationOf,
});
