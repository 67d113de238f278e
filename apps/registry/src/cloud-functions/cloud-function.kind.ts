import { functionSigning, registryChanges, type CloudFunction } from '@cf/contract';
import { publishedKind } from '../change-log/published-kind.js';
import { CloudFunctionEntity } from './cloud-function.entity.js';

export const cloudFunctionOf = (row: CloudFunctionEntity): CloudFunction => ({
  id: row.id,
  orgId: row.orgId,
  name: row.name,
  registeredApiId: row.registeredApiId,
  endpointUrl: row.endpointUrl,
  branchOptions: row.branchOptions,
  enabled: row.enabled,
  timeoutMs: row.timeoutMs,
  maxConcurrency: row.maxConcurrency,
  signing: functionSigning.parse(row.signing),
  triggersPaused: row.triggersPaused,
  circuitResetAt: row.circuitResetAt?.toISOString() ?? null,
});

export const cloudFunctionKind = publishedKind<CloudFunctionEntity>({
  type: 'cloud-function',
  entity: CloudFunctionEntity,
  topic: registryChanges,
  orgIdOf: ({ orgId }) => orgId,
  resourceOf: cloudFunctionOf,
});
