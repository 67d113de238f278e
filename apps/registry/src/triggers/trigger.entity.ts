import { Column, Entity } from 'typeorm';
import type { TriggerEvent } from '@cf/contract';
import { VersionedRow } from '../database/versioned-row.js';

@Entity('triggers')
export class TriggerEntity extends VersionedRow {
  @Column('uuid', { name: 'org_id' })
  orgId!: string;

  @Column('text')
  name!: string;

  @Column('text', { name: 'action_type' })
  actionType!: 'CloudFunction';

  @Column('uuid', { name: 'cloud_function_id' })
  cloudFunctionId!: string;

  @Column('boolean')
  enabled!: boolean;

  @Column('json', { name: 'trigger_events' })
  triggerEvents!: TriggerEvent[];

  @Column('int', { name: 'loop_guard_limit', nullable: true })
  loopGuardLimit!: number | null;
}
