import type { LogRecord } from '../log.js';
import type { Bulkhead, GroupPolicy } from '../parallel-consumer-options.js';

/** Reads the keys of a record. One without what the policy looks for has none; its handler says what is wrong with it. */
export class RecordKeys {
  constructor(private readonly policy: Pick<GroupPolicy, 'orderKey' | 'bulkhead'>) {}

  orderKeyOf(record: LogRecord): string | null {
    try {
      return this.policy.orderKey?.(record) ?? null;
    } catch {
      return null;
    }
  }

  bulkheadOf(record: LogRecord): Bulkhead | null {
    try {
      return this.policy.bulkhead?.(record) ?? null;
    } catch {
      return null;
    }
  }

  limitOf(record: LogRecord): number {
    return this.policy.bulkhead?.(record)?.limit ?? Infinity;
  }
}
