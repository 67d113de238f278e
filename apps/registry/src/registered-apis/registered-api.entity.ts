import { Column, Entity } from 'typeorm';
import type { RegisteredApi } from '@cf/contract';
import { VersionedRow } from '../database/versioned-row.js';

/** Secrets lie in `headers` and `authorization` sealed, in the very form in which they travel. */
@Entity('registered_apis')
export class RegisteredApiEntity extends VersionedRow {
  @Column('uuid', { name: 'org_id' })
  orgId!: string;

  @Column('text')
  name!: string;

  @Column('text', { name: 'base_url' })
  baseUrl!: string;

  @Column('boolean', { name: 'is_read_only' })
  isReadOnly!: boolean;

  @Column('json')
  headers!: RegisteredApi['headers'];

  @Column('json')
  authorization!: RegisteredApi['authorization'];

  @Column('json')
  tls!: RegisteredApi['tls'];
}
