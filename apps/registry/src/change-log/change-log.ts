import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { type AuditEvent, writeTime } from '@cf/contract';
import { keyedTransaction } from '@cf/idempotency';
import type { Database } from '@cf/persistence';
import { actorOf, currentPrincipal } from '@cf/registry-cache';
import type { EntityManager } from 'typeorm';
import { AuditLogRepository } from '../audit-log/audit-log.repository.js';
import { describeDeleted, describeSaved, type Fact } from '../audit-log/describe-change.js';
import { REGISTRY_DATABASE } from '../database/registry-database.token.js';
import type { VersionedRow } from '../database/versioned-row.js';
import { REGISTRY_CONFIG, type RegistryConfig } from '../registry.config.js';
import { Acknowledgements, type AwaitedChanges } from './acknowledgements.js';
import { appendChanges, appendDeletion } from './append-change.js';
import type { PublishedKind } from './published-kind.js';

/** A transaction that writes resources, and with each of them its change and its audit entry. */
export interface Writing {
  readonly manager: EntityManager;
  /** `before`: the row that this one takes the place of; null for a new one. */
  saved<Row extends VersionedRow>(kind: PublishedKind<Row>, row: Row, before: Row | null): Promise<Row>;
  deleted<Row extends VersionedRow>(kind: PublishedKind<Row>, row: Row): Promise<void>;
  /** Sealed with another key and otherwise as it was: published, and told as one rotation rather than as so many edits. */
  resealed<Row extends VersionedRow>(kind: PublishedKind<Row>, row: Row): Promise<void>;
  /** What else the audit log shall tell of this transaction. */
  audited(fact: Fact): void;
}

const NOBODY: AuditEvent['actor'] = { type: 'system', id: null, name: 'registry' };

export interface Written<T> {
  readonly result: T;
  /** Saved, but not acknowledged by the broker in time; the relay goes on. */
  readonly pending: boolean;
}

/**
 * Every write of the registry: rows, changes and audit entries in one transaction, so that none of them is without the others, answered
 * once the broker has the changes (guarantees.md §6).
 */
@Injectable()
export class ChangeLog {
  constructor(
    @Inject(REGISTRY_DATABASE) private readonly database: Database,
    @Inject(REGISTRY_CONFIG) private readonly config: RegistryConfig,
    private readonly acknowledgements: Acknowledgements,
    private readonly auditLog: AuditLogRepository,
  ) {}

  asTenant<T>(orgId: string, write: (writing: Writing) => Promise<T>): Promise<Written<T>> {
    return this.run((work) => this.database.tenant(orgId, work), write);
  }

  asSystem<T>(write: (writing: Writing) => Promise<T>): Promise<Written<T>> {
    return this.run((work) => this.database.system(work), write);
  }

  private async run<T>(
    transaction: (work: (manager: EntityManager) => Promise<T>) => Promise<T>,
    write: (writing: Writing) => Promise<T>,
  ): Promise<Written<T>> {
    const awaited = this.acknowledgements.expect();
    try {
      const facts: Fact[] = [];
      const keyed = keyedTransaction();
      const result = await transaction(async (manager) => {
        await keyed?.begin(manager);
        const written = await write(this.writing(manager, awaited, facts));
        await this.auditLog.append(manager, facts.map(eventOf));
        await keyed?.keep(manager, written);
        return written;
      });
      return { result, pending: !(await awaited.acknowledged(this.config.REGISTRY_PROPAGATION_WAIT_MS)) };
    } finally {
      awaited.forget();
    }
  }

  private writing(manager: EntityManager, awaited: AwaitedChanges, facts: Fact[]): Writing {
    const publish = async <Row extends VersionedRow>(kind: PublishedKind<Row>, row: Row): Promise<void> =>
      (await appendChanges(manager, kind, [row])).forEach((id) => awaited.add(id));
    return {
      manager,
      resealed: publish,
      audited: (fact) => void facts.push(fact),
      saved: async (kind, row, before) => {
        await publish(kind, row);
        facts.push(describeSaved(kind, row, before));
        return row;
      },
      deleted: async (kind, row) => {
        const deletion = { orgId: kind.orgIdOf(row), type: kind.type, topic: kind.topic.name, id: row.id, version: row.version + 1 };
        awaited.add(await appendDeletion(manager, deletion, this.config.REGISTRY_TOMBSTONE_AFTER_MS));
        facts.push(describeDeleted(kind, row));
      },
    };
  }
}

const eventOf = (fact: Fact): AuditEvent => {
  const principal = currentPrincipal();
  return { ...fact, id: randomUUID(), at: writeTime(Date.now()), actor: principal === null ? NOBODY : actorOf(principal), outcome: 'done' };
};
