import { Column, Entity } from 'typeorm';
import { VersionedRow } from '../database/versioned-row.js';

@Entity('organizations')
export class OrganizationEntity extends VersionedRow {
  @Column('text')
  name!: string;

  @Column('boolean', { name: 'cloud_functions_enabled' })
  cloudFunctionsEnabled!: boolean;

  @Column('int', { name: 'retention_days' })
  retentionDays!: number;
}
