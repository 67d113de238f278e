import { Column, Entity } from 'typeorm';
import type { CloudFunction } from '@cf/contract';
import { VersionedRow } from '../database/versioned-row.js';

@Entity('cloud_functions')
export class CloudFunctionEntity extends VersionedRow {
  @Column('uuid', { name: 'org_id' })
  orgId!: string;

  @Column('text')
  name!: string;

  @Column('uuid', { name: 'registered_api_id' })
  registeredApiId!: string;

  @Column('text', { name: 'endpoint_url' })
  endpointUrl!: string;

  @Column('json', { name: 'branch_options' })
  branchOptions!: string[];

  @Column('boolean')
  enabled!: boolean;

  @Column('int', { name: 'timeout_ms' })
  timeoutMs!: number;

  @Column('int', { name: 'max_concurrency' })
  maxConcurrency!: number;

  @Column('json')
  signing!: CloudFunction['signing'];

  @Column('boolean', { name: 'triggers_paused' })
  triggersPaused!: boolean;

  @Column({ type: 'timestamptz', name: 'circuit_reset_at', precision: 3, nullable: true })
  circuitResetAt!: Date | null;
}
