import { messageHeader, nextTraceparent } from '@cf/contract';
import type { LogRecord } from '@cf/messaging';
import type { StepArrival } from './pending-steps.js';

export const arrivalOf = (
  { partition, headers, timestampMs }: LogRecord,
  traceparent = headers[messageHeader.traceparent],
): StepArrival => ({
  partition,
  acceptedAtMs: timestampMs,
  traceparent: traceparent ?? nextTraceparent(undefined),
});
