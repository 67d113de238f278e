import type { EntityTarget } from 'typeorm';
import { registryChanges, registryTriggers, type RegistryChange, type Trigger, type TriggerChange } from '@cf/contract';
import type { VersionedRow } from '../database/versioned-row.js';

export type Change = RegistryChange | TriggerChange;
export type Resource = NonNullable<RegistryChange['resource']> | Trigger;

/** A kind of resource that every service hears of: where its rows are and what of a row travels. */
export interface PublishedKind<Row extends VersionedRow = VersionedRow> {
  readonly type: Change['type'];
  readonly entity: EntityTarget<Row>;
  readonly topic: typeof registryChanges | typeof registryTriggers;
  orgIdOf(row: Row): string;
  /** The full state as the contract has it; secrets are in it sealed. */
  resourceOf(row: Row): Resource;
}

/** Keeps the row's type beside the kind; the change log itself sees every kind alike. */
export const publishedKind = <Row extends VersionedRow>(kind: PublishedKind<Row>): PublishedKind<Row> => kind;
