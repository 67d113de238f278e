import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { type AuditEvent, auditEvents, writeTime } from '@cf/contract';
import { MESSAGE_LOG, type MessageLog, MessagePublisher, MessagingError } from '@cf/messaging';
import type { Logger } from 'pino';
import { LOGGER } from './logger.js';
import { Metrics } from './metrics.js';
import { Problem } from './problem.js';

/** Who did what to which thing. `id` only where the same fact may be told twice; else one is drawn. */
export type AuditEntry = Omit<AuditEvent, 'id' | 'at'> & { readonly id?: string };

/** A person waits for the answer, and a busy log may take seconds; one that takes longer counts as away. */
const ACKNOWLEDGED_WITHIN_MS = 5_000;
/** A few megabytes at most while the log is away. */
const NOTES_WAITING_MAX = 5_000;
const TRY_AGAIN_MS = 1_000;
/** What is left then is counted as dropped; the process has 40 s to end. */
const FLUSH_MS_MAX = 3_000;

/** `audit.events` as every service writes it. The registry stores what comes; its own writes it stores in their transaction. */
@Injectable()
export class AuditTrail implements OnApplicationShutdown {
  private readonly publisher: MessagePublisher;
  private readonly notes = new Set<Promise<void>>();
  private readonly closing = new AbortController();
  private readonly published;
  private readonly dropped;

  constructor(
    @Inject(MESSAGE_LOG) log: MessageLog,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.publisher = new MessagePublisher(log.createPublisher('audit', 'trigger'));
    this.published = metrics.counter('cf_audit_events_total', 'Audit events acknowledged by the log, by outcome', ['outcome']);
    this.dropped = metrics.counter(
      'cf_audit_events_dropped_total',
      'Notes for the audit log that were given up: the log was away for too long',
    );
  }

  /**
   * Resolves once the log has the event, so that what follows never happens unaudited: await it before a reveal leaves or a change
   * commits. Rejects with a 503 `audit_unavailable`; the log may still have it then: it can tell more than happened, never less.
   */
  async record(entry: AuditEntry): Promise<void> {
    const late = new AbortController();
    try {
      await Promise.race([
        this.publish(eventOf(entry)),
        delay(ACKNOWLEDGED_WITHIN_MS, undefined, { signal: late.signal }).then(() => Promise.reject(new Error('not acknowledged in time'))),
      ]);
    } catch (error) {
      this.logger.warn({ err: error, action: entry.action }, 'refused: it could not be audited');
      throw new Problem(503, 'audit_unavailable', 'This must be audited and cannot be now; send it again.', [], { 'retry-after': '1' });
    } finally {
      late.abort();
    }
  }

  /** For what happens anyway (reads, refusals): returns at once, is tried until the log takes it, and is bounded. */
  note(entry: AuditEntry): void {
    if (this.notes.size >= NOTES_WAITING_MAX || this.closing.signal.aborted) return this.dropped.inc();
    const note = this.deliver(eventOf(entry)).finally(() => this.notes.delete(note));
    this.notes.add(note);
  }

  async onApplicationShutdown(): Promise<void> {
    this.closing.abort();
    await Promise.race([Promise.all(this.notes).then(() => this.publisher.close()), delay(FLUSH_MS_MAX, undefined, { ref: false })]);
  }

  private async deliver(event: AuditEvent): Promise<void> {
    for (;;) {
      try {
        return await this.publish(event);
      } catch (error) {
        const again = error instanceof MessagingError && error.retryable && !this.closing.signal.aborted;
        if (!again) {
          this.logger.warn({ err: error, action: event.action }, 'a note for the audit log was given up');
          return this.dropped.inc();
        }
        await delay(TRY_AGAIN_MS, undefined, { signal: this.closing.signal, ref: false }).catch(() => undefined);
      }
    }
  }

  private async publish(event: AuditEvent): Promise<void> {
    await this.publisher.publish(auditEvents, event);
    this.published.inc({ outcome: event.outcome });
  }
}

const eventOf = ({ id = randomUUID(), ...entry }: AuditEntry): AuditEvent => ({ id, at: writeTime(Date.now()), ...entry });
