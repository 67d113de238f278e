/**
 * Seals every secret with the first key of the ring, while calls go on.
 *
 * A key goes through four rings, each rolled out to all registries and invokers before the next (deploy/README.md): last in the ring
 * it only opens – first it seals what is written – here it seals the rest – then the old one is taken away. At every moment each
 * process opens what any process sealed, so no call fails.
 *
 * Rows are sealed anew in batches, each a transaction of its own with its changes: after a crash, or when its time is over, the next
 * rotation goes on with what is left. A row that somebody edits at that moment is passed by, and met again in the next round or rotation.
 */
import { Inject, Injectable } from '@nestjs/common';
import type { Database } from '@cf/persistence';
import { type KeyRing, PLATFORM, type PlatformConfig } from '@cf/service-kit';
import { type EntityManager, In } from 'typeorm';
import { ChangeLog } from '../change-log/change-log.js';
import { cloudFunctionKind, cloudFunctionOf } from '../cloud-functions/cloud-function.kind.js';
import { mapSigningSecrets } from '../cloud-functions/seal-signing.js';
import { findKeysInUse, SEALED_COLUMNS } from '../database/keys-in-use.js';
import { REGISTRY_DATABASE } from '../database/registry-database.token.js';
import { nextVersion, type VersionedRow } from '../database/versioned-row.js';
import type { PublishedKind } from '../change-log/published-kind.js';
import { mapSecrets } from '../registered-apis/map-secrets.js';
import { registeredApiKind } from '../registered-apis/registered-api.kind.js';
import { REGISTRY_CONFIG, type RegistryConfig } from '../registry.config.js';
import { sealOf } from '../sealing/seal.js';

/** A batch holds its rows' locks, and its changes are one request to the broker. */
const BATCH_ROWS_MAX = 100;

type ChangeSecret = (sealed: string) => string;

interface Sealing<Row extends VersionedRow> {
  readonly table: keyof typeof SEALED_COLUMNS;
  readonly kind: PublishedKind<Row>;
  reseal(row: Row, change: ChangeSecret): Row;
}

const sealing = <Row extends VersionedRow>(one: Sealing<Row>): Sealing<Row> => one;

const apis = sealing({
  table: 'registered_apis',
  kind: registeredApiKind,
  reseal: (row, change) => ({ ...row, ...mapSecrets(row, change) }),
});
const functions = sealing({
  table: 'cloud_functions',
  kind: cloudFunctionKind,
  reseal: (row, change) => ({ ...row, signing: mapSigningSecrets(cloudFunctionOf(row).signing, change) }),
});

export interface KeyRotation {
  /** The first key of the ring: every secret is sealed with it now, or by the next call when not `done`. */
  readonly sealingKey: string;
  /** Registered APIs and cloud functions that were sealed anew this time. */
  readonly resealed: number;
  readonly keysInUse: readonly string[];
  /** Keys of the ring that nothing is sealed with and that no service was told of as a secret's key. */
  readonly keysToRemove: readonly string[];
  readonly done: boolean;
}

interface Batch {
  readonly resealed: number;
  readonly lastId: string | null;
  readonly pending: boolean;
}

@Injectable()
export class RotateKeys {
  private readonly keyRing: KeyRing;

  constructor(
    @Inject(REGISTRY_DATABASE) private readonly database: Database,
    @Inject(REGISTRY_CONFIG) private readonly config: RegistryConfig,
    @Inject(PLATFORM) platform: PlatformConfig,
    private readonly changeLog: ChangeLog,
  ) {
    this.keyRing = platform.keyRing;
  }

  /** Works for as long as one request may take; `done` says whether another one is needed. */
  async run(): Promise<KeyRotation> {
    const giveUpAtMs = Date.now() + this.config.REGISTRY_KEY_ROTATION_MS;
    const { resealed, pending } = await this.resealAll(giveUpAtMs);
    const { sealingKeyId: sealingKey } = this.keyRing;
    const keysInUse = await findKeysInUse(this.database);
    const done = !pending && keysInUse.every((id) => id === sealingKey);
    const keysToRemove = done ? this.keyRing.ids.filter((id) => id !== sealingKey) : [];
    await this.changeLog.asSystem(({ audited }) => {
      const details = { resealed, keysInUse, done };
      audited({ orgId: null, action: 'encryption-keys.rotated', subject: { type: 'encryption-key', id: sealingKey }, details });
      return Promise.resolve();
    });
    return { sealingKey, resealed, keysInUse, keysToRemove, done };
  }

  /** From the first row to the last, and again for those that were held by others, until there is nothing more to take. */
  private async resealAll(giveUpAtMs: number): Promise<Pick<Batch, 'resealed' | 'pending'>> {
    let [resealed, pending] = [0, false];
    for (let found = -1; found !== 0; ) {
      found = 0;
      for (const batches of [this.batchesOf(apis, giveUpAtMs), this.batchesOf(functions, giveUpAtMs)]) {
        for await (const batch of batches) {
          found += batch.resealed;
          pending ||= batch.pending;
        }
      }
      resealed += found;
    }
    return { resealed, pending };
  }

  private async *batchesOf<Row extends VersionedRow>(one: Sealing<Row>, giveUpAtMs: number): AsyncGenerator<Batch> {
    for (let after: string | null = null; Date.now() < giveUpAtMs; ) {
      const batch: Batch = await this.resealBatch(one, after);
      yield batch;
      after = batch.lastId;
      if (after === null) return;
    }
  }

  private async resealBatch<Row extends VersionedRow>(one: Sealing<Row>, after: string | null): Promise<Batch> {
    const { result: rows, pending } = await this.changeLog.asSystem(async ({ manager, resealed }) => {
      const found = await this.lockBatch(manager, one, after);
      for (const row of found) {
        const { open, seal } = sealOf(this.keyRing, one.kind.orgIdOf(row), row.id);
        const sealedAnew = { ...one.reseal(row, (sealed) => seal(open(sealed))), ...nextVersion(row) };
        await manager.save(one.kind.entity, sealedAnew);
        await resealed(one.kind, sealedAnew);
      }
      return found;
    });
    return { resealed: rows.length, lastId: rows.at(-1)?.id ?? null, pending };
  }

  private async lockBatch<Row extends VersionedRow>(manager: EntityManager, one: Sealing<Row>, after: string | null): Promise<Row[]> {
    const rows: { id: string }[] = await manager.query(
      `SELECT id FROM registry.${one.table}
        WHERE ${SEALED_COLUMNS[one.table]} ~ $1 AND ($2::uuid IS NULL OR id > $2)
        ORDER BY id LIMIT ${BATCH_ROWS_MAX} FOR NO KEY UPDATE SKIP LOCKED`,
      [`"sealed[A-Za-z]+":\\s*"(?!${this.keyRing.sealingKeyId}\\.)`, after],
    );
    const where = { id: In(rows.map(({ id }) => id)) } as object;
    const order = { id: 'ASC' } as object;
    return manager.find(one.kind.entity, { where, order });
  }
}
