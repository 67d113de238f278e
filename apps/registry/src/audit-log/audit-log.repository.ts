import { Injectable } from '@nestjs/common';
import { type AuditEvent, sameId } from '@cf/contract';
import type { EntityManager } from 'typeorm';
import type { AuditLogFilters } from './audit-log.schema.js';
import { type ChainedEntry, chainEntry, chainOf, EMPTY_CHAIN, type Head } from './chain.js';

interface StoredHead {
  readonly sequence: string;
  readonly hash: string;
}

type StoredEntry = StoredHead & { readonly text: string };

const readHead = ({ sequence, hash }: StoredHead): Head => ({ sequence: Number(sequence), hash });

/** Makes the chain when it is the first time, and holds it until the transaction ends: two registries never give one number twice. */
const HOLD_CHAIN = `
  INSERT INTO registry.audit_chains AS chain (org_id, sequence, hash) VALUES ($1, ${EMPTY_CHAIN.sequence}, '${EMPTY_CHAIN.hash}')
  ON CONFLICT (org_id) DO UPDATE SET sequence = chain.sequence
  RETURNING sequence, hash`;

const APPEND = `
  WITH appended AS (
    INSERT INTO registry.audit_log (org_id, sequence, hash, entry)
    SELECT $1, sequence, hash, text::json FROM unnest($2::bigint[], $3::text[], $4::text[]) AS entry (sequence, hash, text))
  UPDATE registry.audit_chains SET sequence = $5, hash = $6 WHERE org_id = $1`;

const SELECTED = 'sequence, hash, entry::text AS text';

const conditions: Readonly<Record<keyof AuditLogFilters, (parameter: string) => string>> = {
  action: (parameter) => `action = ${parameter}`,
  actor: (parameter) => `actor = ${parameter}`,
  subjectType: (parameter) => `subject_type = ${parameter}`,
  subjectId: (parameter) => `subject_id = ${parameter}`,
  outcome: (parameter) => `outcome = ${parameter}`,
  'at[gte]': (parameter) => `at >= ${parameter}`,
  'at[lt]': (parameter) => `at < ${parameter}`,
};

/** Chains and their entries. Rows are only ever added; the database refuses everything else. */
@Injectable()
export class AuditLogRepository {
  /** Call it last in a transaction: it holds the chain, and whoever waits for the chain should hold nothing that we need. */
  async append(manager: EntityManager, events: readonly AuditEvent[]): Promise<void> {
    for (const chain of [...new Set(events.map(chainOf))].toSorted()) {
      const ofChain = events.filter((event) => chainOf(event) === chain);
      await this.extend(manager, chain, await this.hold(manager, chain), ofChain);
    }
  }

  /** As `append`, for an event that may come again: the second time nothing happens. */
  async appendOnce(manager: EntityManager, event: AuditEvent): Promise<void> {
    const chain = chainOf(event);
    const known = 'SELECT FROM registry.audit_log WHERE org_id = $1 AND event_id = $2';
    // Repeats are the rule for token uses, and need not wait for the chain.
    if ((await manager.query<unknown[]>(known, [chain, sameId(event.id)])).length > 0) return;
    const head = await this.hold(manager, chain);
    if ((await manager.query<unknown[]>(known, [chain, sameId(event.id)])).length > 0) return;
    await this.extend(manager, chain, head, [event]);
  }

  async head(manager: EntityManager, chain: string): Promise<Head> {
    const [head] = await manager.query<StoredHead[]>('SELECT sequence, hash FROM registry.audit_chains WHERE org_id = $1', [chain]);
    return head === undefined ? EMPTY_CHAIN : readHead(head);
  }

  /** Newest first, below a sequence number. */
  list(manager: EntityManager, chain: string, filters: AuditLogFilters, below: number | null, limit: number): Promise<ChainedEntry[]> {
    const params: unknown[] = [chain];
    const next = (value: unknown): string => `$${params.push(value)}`;
    const given = (Object.keys(conditions) as (keyof AuditLogFilters)[]).filter((field) => filters[field] !== undefined);
    const sql = ['org_id = $1', ...given.map((field) => conditions[field](next(filters[field])))];
    if (below !== null) sql.push(`sequence < ${next(below)}`);
    return this.entries(manager, `${sql.join(' AND ')} ORDER BY sequence DESC LIMIT ${limit}`, params);
  }

  /** Oldest first, behind one sequence number and up to another. */
  following(manager: EntityManager, chain: string, after: number, upTo: number, limit: number): Promise<ChainedEntry[]> {
    return this.entries(manager, `org_id = $1 AND sequence > $2 AND sequence <= $3 ORDER BY sequence LIMIT ${limit}`, [chain, after, upTo]);
  }

  private async entries(manager: EntityManager, rest: string, params: unknown[]): Promise<ChainedEntry[]> {
    const rows = await manager.query<StoredEntry[]>(`SELECT ${SELECTED} FROM registry.audit_log WHERE ${rest}`, params);
    return rows.map((row) => ({ ...readHead(row), text: row.text }));
  }

  private async hold(manager: EntityManager, chain: string): Promise<Head> {
    const [held] = await manager.query<StoredHead[]>(HOLD_CHAIN, [chain]);
    return held === undefined ? EMPTY_CHAIN : readHead(held);
  }

  private async extend(manager: EntityManager, chain: string, held: Head, events: readonly AuditEvent[]): Promise<void> {
    let head = held;
    const entries: ChainedEntry[] = [];
    for (const event of events) {
      const entry = chainEntry(head, event);
      entries.push(entry);
      head = entry;
    }
    const column = <K extends keyof ChainedEntry>(field: K) => entries.map((entry) => entry[field]);
    await manager.query(APPEND, [chain, column('sequence'), column('hash'), column('text'), head.sequence, head.hash]);
  }
}
