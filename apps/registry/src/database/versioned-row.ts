import { Column, PrimaryColumn } from 'typeorm';

/** What every resource has. `version` counts its writes from 1 and is its ETag; creation times have milliseconds, as cursors do. */
export abstract class VersionedRow {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('int')
  version!: number;

  @Column({ type: 'timestamptz', name: 'created_at', precision: 3 })
  createdAt!: Date;

  @Column({ type: 'timestamptz', name: 'updated_at', precision: 3 })
  updatedAt!: Date;
}

export interface Stamps {
  readonly id: string;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export const firstVersion = (id: string, now = new Date()): Stamps => ({ id, version: 1, createdAt: now, updatedAt: now });

export const nextVersion = (row: VersionedRow, now = new Date()): Stamps => ({
  id: row.id,
  version: row.version + 1,
  createdAt: row.createdAt,
  updatedAt: now,
});
