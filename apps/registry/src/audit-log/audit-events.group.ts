import { ConsumerGroup, type ConsumerGroupHooks, type LogRecord } from '@cf/messaging';

export const AUDIT_GROUP = 'registry.audit';

/** One organization's events run one after another, since its chain lets one writer in at a time. */
@ConsumerGroup(AUDIT_GROUP)
export class AuditEventsGroup implements ConsumerGroupHooks {
  readonly limits = {
    // As many organizations at once as leave connections to people who ask.
    maxInFlight: 4,
    maxBufferedRecords: 1_000,
    maxBufferedBytes: 16 * 1024 * 1024,
    // A transaction takes milliseconds; what is cut off is stored elsewhere, once.
    drainTimeoutMs: 5_000,
    onRevoke: 'drain',
    // Events that come again change nothing.
    onOffsetOutOfRange: 'earliest',
  } as const;

  orderKey({ key }: LogRecord): string | null {
    return key?.toString('latin1') ?? null;
  }
}
