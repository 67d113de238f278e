import { nextTraceparent, readTraceparent } from '@cf/contract';
import { type Attributes, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Tracer } from '@opentelemetry/api';

/** What spans are recorded with; one for the whole process, as OpenTelemetry has it. */
let tracer: Tracer | null = null;
let messagingSystem: MessagingSystem = 'kafka';

/** OpenTelemetry's word for the log that spans of messages tell of; its conventions take a word of one's own for what they do not know. */
export type MessagingSystem = 'kafka' | 'cf_embedded';

/** From now on spans are recorded; null ends it. Without a tracer traceparents are passed on all the same. */
export const recordSpans = (by: Tracer | null, system: MessagingSystem = 'kafka'): void => {
  tracer = by;
  messagingSystem = system;
};

export const recordedMessagingSystem = (): MessagingSystem => messagingSystem;

export const areSpansRecorded = (): boolean => tracer !== null;

export interface OpenSpan {
  /** What the next hop gets as its parent. */
  readonly traceparent: string;
  /** `error` is a word of a closed vocabulary or the name of an error, never its text: that may quote a payload. */
  end(outcome?: { readonly attributes?: Attributes; readonly error?: string | null; readonly name?: string }): void;
}

const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, producer: SpanKind.PRODUCER, consumer: SpanKind.CONSUMER } as const;

/** Opens the next span of a trace, or the first of a new one when the parent cannot be read. `attributes` are made only where spans are recorded. */
export const beginSpan = (name: string, kind: keyof typeof kinds, parent: string | undefined, attributes: () => Attributes): OpenSpan => {
  if (tracer === null) return { traceparent: nextTraceparent(parent), end: () => undefined };
  const remote = readTraceparent(parent);
  const context =
    remote === null
      ? ROOT_CONTEXT
      : trace.setSpanContext(ROOT_CONTEXT, { traceId: remote.traceId, spanId: remote.spanId, traceFlags: remote.flags, isRemote: true });
  const span = tracer.startSpan(name, { kind: kinds[kind], attributes: attributes() }, context);
  const { traceId, spanId, traceFlags } = span.spanContext();
  return {
    traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
    end: (outcome = {}) => {
      if (outcome.name !== undefined) span.updateName(outcome.name);
      if (outcome.attributes !== undefined) span.setAttributes(outcome.attributes);
      if (outcome.error !== undefined && outcome.error !== null)
        span.setAttribute('error.type', outcome.error).setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },
  };
};
