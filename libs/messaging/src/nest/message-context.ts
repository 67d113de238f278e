import { messageHeader, nextTraceparent } from '@cf/contract';
import type { LogRecord } from '../log.js';
import type { RecordContext } from '../parallel-consumer-options.js';

/** What a handler gets beside the message. */
export interface MessageContext {
  readonly record: LogRecord;
  /** Size of the value. */
  readonly bytes: number;
  /** The value exactly as it came; read anew from the record each time, since a text kept for as long as a call runs costs more. */
  readonly text: string;
  /** Aborted when the record belongs to another member now: let go, nothing that follows counts. */
  readonly signal: AbortSignal;
  /** More than its bulkhead may hold, in a group with a `quota`: let it go without doing what the bulkhead bounds. */
  readonly isSurplus: boolean;
  /** The span of the message; a new trace when it brought none. */
  readonly traceparent: string;
  /**
   * What the order key and the limits are there for is over: others may start, while the handler goes on until what follows is
   * acknowledged. A try after that must not do it again.
   */
  yieldSlot(): void;
}

export class ReceivedMessageContext implements MessageContext {
  #traceparent: string | undefined;

  constructor(
    readonly record: LogRecord,
    private readonly running: RecordContext,
    traceparent?: string,
  ) {
    this.#traceparent = traceparent;
  }

  get bytes(): number {
    return this.record.value?.byteLength ?? 0;
  }

  get text(): string {
    return this.record.value?.toString('utf8') ?? '';
  }

  get signal(): AbortSignal {
    return this.running.signal;
  }

  get isSurplus(): boolean {
    return this.running.isSurplus;
  }

  yieldSlot(): void {
    this.running.yieldSlot();
  }

  get traceparent(): string {
    this.#traceparent ??= this.record.headers[messageHeader.traceparent] ?? nextTraceparent(undefined);
    return this.#traceparent;
  }
}
