import { Inject, Injectable } from '@nestjs/common';
import type { Database } from '@cf/persistence';
import { listCursor } from '@cf/service-kit';
import type { EntityManager } from 'typeorm';
import { REGISTRY_DATABASE } from '../database/registry-database.token.js';
import type { Page } from '../http/newest-first.js';
import { AuditLogRepository } from './audit-log.repository.js';
import { answerEntry, auditLogCursor, type ListAuditLog } from './audit-log.schema.js';
import { type ChainedEntry, EMPTY_CHAIN, type Head, OPERATORS_CHAIN } from './chain.js';
import { ChainVerifier, type Verification } from './chain-verifier.js';

/** One transaction reads so many, well under a megabyte. */
const ENTRIES_AT_ONCE = 1_000;

/** The log as it is read: in pages, as a whole, and to be verified. */
@Injectable()
export class AuditLogService {
  constructor(
    @Inject(REGISTRY_DATABASE) private readonly database: Database,
    private readonly entries: AuditLogRepository,
  ) {}

  async list(chain: string, { limit, cursor, ...filters }: ListAuditLog): Promise<Page<object>> {
    const cursors = listCursor('audit-log', { chain, ...filters }, auditLogCursor);
    const below = cursors.decode(cursor)?.sequence ?? null;
    const found = await this.read(chain, (manager) => this.entries.list(manager, chain, filters, below, limit + 1));
    const data = found.slice(0, limit);
    const last = data.at(-1);
    return {
      data: data.map(answerEntry),
      nextCursor: found.length > limit && last !== undefined ? cursors.encode({ sequence: last.sequence }) : null,
    };
  }

  /** The chain up to the head of this moment as lines of JSON, each entry with the two hashes that hold it in its place. */
  async *export(chain: string): AsyncGenerator<string> {
    const head = await this.read(chain, (manager) => this.entries.head(manager, chain));
    let previousHash = EMPTY_CHAIN.hash;
    for await (const batch of this.walk(chain, head)) {
      let lines = '';
      for (const { text, hash } of batch) {
        lines += `${text.slice(0, -1)},"previousHash":"${previousHash}","hash":"${hash}"}\n`;
        previousHash = hash;
      }
      yield lines;
    }
  }

  async verify(chain: string, noted: Head | undefined): Promise<Verification> {
    const head = await this.read(chain, (manager) => this.entries.head(manager, chain));
    const verifier = new ChainVerifier(noted === undefined ? [head] : [head, noted]);
    for await (const batch of this.walk(chain, head)) if (!batch.every((entry) => verifier.next(entry))) break;
    return verifier.end();
  }

  private async *walk(chain: string, { sequence: upTo }: Head): AsyncGenerator<readonly ChainedEntry[]> {
    for (let after = 0; ; ) {
      const batch = await this.read(chain, (manager) => this.entries.following(manager, chain, after, upTo, ENTRIES_AT_ONCE));
      if (batch.length > 0) yield batch;
      if (batch.length < ENTRIES_AT_ONCE) return;
      after = batch.at(-1)?.sequence ?? upTo;
    }
  }

  /** Operators' own chain belongs to no organization, so no tenant's transaction sees it. */
  private read<T>(chain: string, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return chain === OPERATORS_CHAIN ? this.database.system(work) : this.database.tenant(chain, work);
  }
}
