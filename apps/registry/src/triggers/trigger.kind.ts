import { registryTriggers, type Trigger } from '@cf/contract';
import { publishedKind } from '../change-log/published-kind.js';
import { TriggerEntity } from './trigger.entity.js';

export const triggerOf = (row: TriggerEntity): Trigger => ({
  id: row.id,
  orgId: row.orgId,
  name: row.name,
  actionType: row.actionType,
  cloudFunctionId: row.cloudFunctionId,
  enabled: row.enabled,
  triggerEvents: row.triggerEvents,
  loopGuardLimit: row.loopGuardLimit,
});

export const triggerKind = publishedKind<TriggerEntity>({
  type: 'trigger',
  entity: TriggerEntity,
  topic: registryTriggers,
  orgIdOf: ({ orgId }) => orgId,
  resourceOf: triggerOf,
});
