import { Inject, Injectable } from '@nestjs/common';
import type { Database } from '@cf/persistence';
import type { EntityManager } from 'typeorm';
import { REGISTRY_DATABASE } from '../database/registry-database.token.js';
import type { VersionedRow } from '../database/versioned-row.js';
import { REGISTRY_CONFIG, type RegistryConfig } from '../registry.config.js';
import { Acknowledgements, type AwaitedChanges } from './acknowledgements.js';
import { appendChanges, appendDeletion } from './append-change.js';
import type { PublishedKind } from './published-kind.js';

/** A transaction that writes resources, and with each of them its change. */
export interface Writing {
  readonly manager: EntityManager;
  saved<Row extends VersionedRow>(kind: PublishedKind<Row>, row: Row): Promise<Row>;
  deleted<Row extends VersionedRow>(kind: PublishedKind<Row>, row: Row): Promise<void>;
}

export interface Written<T> {
  readonly result: T;
  /** Saved, but not acknowledged by the broker in time; the relay goes on. */
  readonly pending: boolean;
}

/** Every write of the registry: rows and changes in one transaction, answered once the broker has the changes (guarantees.md §6). */
@Injectable()
export class ChangeLog {
  constructor(
    @Inject(REGISTRY_DATABASE) private readonly database: Database,
    @Inject(REGISTRY_CONFIG) private readonly config: RegistryConfig,
    private readonly acknowledgements: Acknowledgements,
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
      const result = await transaction((manager) => write(this.writing(manager, awaited)));
      return { result, pending: !(await awaited.acknowledged(this.config.REGISTRY_PROPAGATION_WAIT_MS)) };
    } finally {
      awaited.forget();
    }
  }

  private writing(manager: EntityManager, awaited: AwaitedChanges): Writing {
    return {
      manager,
      saved: async (kind, row) => {
        const ids = await appendChanges(manager, kind, [row]);
        ids.forEach((id) => awaited.add(id));
        return row;
      },
      deleted: async (kind, row) => {
        const deletion = { orgId: kind.orgIdOf(row), type: kind.type, topic: kind.topic.name, id: row.id, version: row.version + 1 };
        awaited.add(await appendDeletion(manager, deletion, this.config.REGISTRY_TOMBSTONE_AFTER_MS));
      },
    };
  }
}
