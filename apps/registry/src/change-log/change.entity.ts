import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** One record that a topic still has to get. A tombstone has no value and a time before which it is not sent. */
@Entity('changes')
export class ChangeEntity {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' })
  id!: string;

  @Column('uuid', { name: 'org_id' })
  orgId!: string;

  @Column('text')
  topic!: string;

  @Column('uuid', { name: 'resource_id' })
  resourceId!: string;

  @Column('int')
  version!: number;

  @Column('text', { nullable: true })
  value!: string | null;

  @Column('timestamptz', { name: 'publish_at' })
  publishAt!: Date;
}
