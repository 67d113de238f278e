import { Column, Entity } from 'typeorm';
import type { Scope } from '@cf/contract';
import { VersionedRow } from '../database/versioned-row.js';

@Entity('access_tokens')
export class AccessTokenEntity extends VersionedRow {
  @Column('uuid', { name: 'org_id' })
  orgId!: string;

  @Column('text')
  name!: string;

  @Column('text')
  hash!: string;

  @Column('json')
  scopes!: Scope[];

  @Column({ type: 'timestamptz', name: 'expires_at', precision: 3, nullable: true })
  expiresAt!: Date | null;

  @Column({ type: 'timestamptz', name: 'last_used_at', precision: 3, nullable: true })
  lastUsedAt!: Date | null;

  /** The token that made this one; null when an operator did. */
  @Column('uuid', { name: 'parent_id', nullable: true })
  parentId!: string | null;
}
