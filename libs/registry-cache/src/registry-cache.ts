/**
 * What a service knows of the registry: the compacted topics `registry.changes` and, for services that ask for them,
 * `registry.triggers`, read from zero into memory at every start.
 *
 * - loading: `onModuleInit` waits until everything below the end offsets of that moment was read; the process is not ready before.
 * - current: changes are applied as they come; a version never goes back, so an older record that is read later changes nothing.
 * - stale but serving: the broker is away. Look-ups answer from memory, `caughtUp` gives up after 2 s and is counted.
 *
 * The read index (`caughtUp`) is how a change acknowledged to an admin is never missed by an event that came after it.
 */
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import {
  type AccessToken,
  type ChatEvent,
  type CloudFunction,
  type Organization,
  type RegisteredApi,
  type RegistryChange,
  registryChange,
  registryChanges,
  registryTriggers,
  sameId,
  type Trigger,
  type TriggerCategory,
  type TriggerChange,
  triggerChange,
} from '@cf/contract';
import { type LogReader, type LogRecord, MESSAGE_LOG, type MessageLog } from '@cf/messaging';
import { Health, LOGGER, Metrics } from '@cf/service-kit';
import type { Logger } from 'pino';
import { OrganizationIndex } from './organization-index.js';
import { TriggerIndex } from './trigger-index.js';

/** A person waits behind most read-index questions (guarantees.md §6). */
const CATCH_UP_MS_MAX = 2_000;
/** 1,000,000 triggers take well under a minute to read; longer means that the broker is not there. */
const LOAD_MS_MAX = 120_000;

type Change = RegistryChange | TriggerChange;

@Injectable()
export class RegistryCache implements OnModuleInit, OnApplicationShutdown {
  private readonly organizations = new OrganizationIndex();
  private readonly triggers = new TriggerIndex();
  private readonly versions = new Map<string, number>();
  private readonly listeners: ((change: Change) => void)[] = [];
  private readers: { topic: string; reader: LogReader }[] = [];
  private withTriggers = false;
  private loaded = false;
  private lastCatchUpAt = 0;
  private asked: Promise<number> | null = null;
  private asking: Promise<unknown> = Promise.resolve();
  private readonly stale;
  private readonly unreadable;

  constructor(
    @Inject(MESSAGE_LOG) private readonly log: MessageLog,
    @Inject(LOGGER) private readonly logger: Logger,
    health: Health,
    metrics: Metrics,
  ) {
    health.register('registry-cache', () => ({
      ok: this.loaded,
      detail: this.loaded ? `read to offset ${this.position}` : 'reading the registry',
    }));
    this.stale = metrics.counter(
      'cf_registry_cache_stale_total',
      'Read-index questions that were answered from memory because the log did not answer',
    );
    this.unreadable = metrics.counter(
      'cf_registry_cache_unreadable_total',
      'Registry records that could not be read; the last good state stays',
    );
    metrics.gauge('cf_registry_cache_age_seconds', 'Time since this process last knew that it had read everything', [], (gauge) =>
      gauge.set(this.lastCatchUpAt === 0 ? 0 : (Date.now() - this.lastCatchUpAt) / 1_000),
    );
  }

  /** Called by modules that match or schedule by trigger, before `onModuleInit`. */
  includeTriggers(): void {
    this.withTriggers = true;
  }

  async onModuleInit(): Promise<void> {
    const topics = [registryChanges.name, ...(this.withTriggers ? [registryTriggers.name] : [])];
    this.readers = topics.map((topic) => ({
      topic,
      reader: this.log.read({
        topic,
        from: 'beginning',
        onRecords: (_partition, records) => records.forEach((record) => this.read(record)),
      }),
    }));
    await this.waitForEnd(LOAD_MS_MAX);
    this.loaded = true;
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.readers.map(({ reader }) => reader.close()));
  }

  /** The offset up to which `registry.changes` was read. */
  get position(): number {
    return this.readers[0]?.reader.positions()[0] ?? 0;
  }

  organization(orgId: string): Organization | undefined {
    return this.organizations.organization(orgId);
  }

  registeredApi(orgId: string, id: string): RegisteredApi | undefined {
    return this.organizations.registeredApi(orgId, id);
  }

  cloudFunction(orgId: string, id: string): CloudFunction | undefined {
    return this.organizations.cloudFunction(orgId, id);
  }

  accessToken(orgId: string, id: string): AccessToken | undefined {
    return this.organizations.accessToken(orgId, id);
  }

  accessTokenByHash(hash: string): AccessToken | undefined {
    return this.organizations.accessTokenByHash(hash);
  }

  /** A token that was revoked since this process started, for telling whose it was; only the last ones are remembered. */
  revokedTokenByHash(hash: string): AccessToken | undefined {
    return this.organizations.revokedTokenByHash(hash);
  }

  trigger(orgId: string, id: string): Trigger | undefined {
    return this.triggers.get(orgId, id);
  }

  /** Enabled triggers of the event's organization, all that take it and perhaps some that don't. */
  candidates(event: ChatEvent): readonly Trigger[] {
    return this.triggers.candidates(event);
  }

  /** Enabled triggers of an organization that name this category. Looks at all of the organization. */
  triggersOf(orgId: string, category: TriggerCategory): readonly Trigger[] {
    return this.triggers.of(orgId, category);
  }

  /** The version of a resource, also of a deleted one; undefined when it was never heard of. */
  versionOf(id: string): number | undefined {
    return this.versions.get(sameId(id));
  }

  /** Called after each change that was applied. */
  onChange(listener: (change: Change) => void): void {
    this.listeners.push(listener);
  }

  /**
   * Waits (≤ 2 s) until everything is known that the log held when this was called, and answers the position in `registry.changes`.
   * Questions that come while one is under way share the next one. When the log is away: the present position, counted as stale.
   */
  caughtUp(): Promise<number> {
    if (this.asked !== null) return this.asked;
    const asked = this.asking.then(async () => {
      this.asked = null;
      try {
        await this.waitForEnd(CATCH_UP_MS_MAX);
      } catch (error) {
        this.stale.inc();
        this.logger.warn({ err: error }, 'the registry topics could not be asked; serving what is known');
      }
      return this.position;
    });
    this.asked = asked;
    this.asking = asked;
    return asked;
  }

  /** Waits (≤ 2 s) until `registry.changes` was read up to this offset; gives up silently, as `caughtUp` does. */
  async reached(offset: number | null): Promise<void> {
    const reader = this.readers[0]?.reader;
    if (offset === null || reader === undefined || offset <= this.position) return;
    try {
      await reader.reached([offset], CATCH_UP_MS_MAX);
    } catch {
      this.stale.inc();
    }
  }

  private async waitForEnd(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the registry topics were not read within ${timeoutMs} ms`)), timeoutMs);
    });
    const read = Promise.all(
      this.readers.map(async ({ topic, reader }) => {
        const ends = await this.log.endOffsets(topic);
        await reader.reached(ends, timeoutMs);
      }),
    );
    try {
      await Promise.race([read, late]);
      this.lastCatchUpAt = Date.now();
    } finally {
      clearTimeout(timer);
      read.catch(() => undefined);
    }
  }

  private read(record: LogRecord): void {
    const id = record.key?.toString() ?? '';
    if (record.value === null) {
      this.organizations.remove(id);
      this.triggers.remove(id);
      this.versions.delete(sameId(id));
      return;
    }
    try {
      const json: unknown = JSON.parse(record.value.toString('utf8'));
      if (record.topic === registryTriggers.name) this.apply(triggerChange.parse(json), (change) => this.triggers.apply(change));
      else this.apply(registryChange.parse(json), (change) => this.organizations.apply(change));
    } catch (error) {
      this.unreadable.inc();
      this.logger.error(
        { topic: record.topic, offset: record.offset, reason: (error as Error).name },
        'a registry record cannot be read; the last good state stays',
      );
    }
  }

  private apply<T extends Change>(change: T, index: (change: T) => void): void {
    const known = this.versions.get(sameId(change.id));
    if (known !== undefined && change.version < known) return;
    // The resource's own text of its id, which is kept anyhow.
    this.versions.set(sameId(change.resource?.id ?? change.id), change.version);
    index(change);
    for (const listener of this.listeners) listener(change);
  }
}
