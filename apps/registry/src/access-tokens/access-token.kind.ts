import { registryChanges, type AccessToken } from '@cf/contract';
import { publishedKind } from '../change-log/published-kind.js';
import { AccessTokenEntity } from './access-token.entity.js';

export const accessTokenOf = ({ id, orgId, name, hash, scopes, expiresAt }: AccessTokenEntity): AccessToken => ({
  id,
  orgId,
  name,
  hash,
  scopes,
  expiresAt: expiresAt?.toISOString() ?? null,
});

export const accessTokenKind = publishedKind<AccessTokenEntity>({
  type: 'access-token',
  entity: AccessTokenEntity,
  topic: registryChanges,
  orgIdOf: ({ orgId }) => orgId,
  resourceOf: accessTokenOf,
});
