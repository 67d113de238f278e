import { registryChanges, type RegisteredApi } from '@cf/contract';
import { publishedKind } from '../change-log/published-kind.js';
import { RegisteredApiEntity } from './registered-api.entity.js';

export const registeredApiOf = (row: RegisteredApiEntity): RegisteredApi => ({
  id: row.id,
  orgId: row.orgId,
  name: row.name,
  baseUrl: row.baseUrl,
  isReadOnly: row.isReadOnly,
  headers: row.headers,
  authorization: row.authorization,
  tls: row.tls,
});

export const registeredApiKind = publishedKind<RegisteredApiEntity>({
  type: 'registered-api',
  entity: RegisteredApiEntity,
  topic: registryChanges,
  orgIdOf: ({ orgId }) => orgId,
  resourceOf: registeredApiOf,
});
