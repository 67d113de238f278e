import type { AuditEvent } from '@cf/contract';
import type { PublishedKind } from '../change-log/published-kind.js';
import type { VersionedRow } from '../database/versioned-row.js';

export type Fact = Pick<AuditEvent, 'orgId' | 'action' | 'subject' | 'details'>;

const factOf = <Row extends VersionedRow>(kind: PublishedKind<Row>, row: Row, done: string, details: AuditEvent['details'] = {}): Fact => ({
  orgId: kind.orgIdOf(row),
  action: `${kind.type}.${done}`,
  subject: { type: kind.type, id: row.id },
  details: { name: kind.resourceOf(row).name, ...details },
});

/** Names of the fields that differ; what was and is in them stays out, since some of it is secret. */
const changedFields = (before: object, after: object): string[] => {
  const was = new Map(Object.entries(before).map(([field, value]) => [field, JSON.stringify(value)]));
  return Object.entries(after).flatMap(([field, value]) => (was.get(field) === JSON.stringify(value) ? [] : [field]));
};

export const describeSaved = <Row extends VersionedRow>(kind: PublishedKind<Row>, row: Row, before: Row | null): Fact =>
  before === null
    ? factOf(kind, row, 'created')
    : factOf(kind, row, 'updated', { fields: changedFields(kind.resourceOf(before), kind.resourceOf(row)) });

export const describeDeleted = <Row extends VersionedRow>(kind: PublishedKind<Row>, row: Row): Fact => factOf(kind, row, 'deleted');
