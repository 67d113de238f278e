import { messageHeader, nextTraceparent } from '@cf/contract';
import type { LogRecord } from '@cf/messaging';
import type { StepArrival } from './pending-steps.js';

export const arrivalOf = ({ partition, headers, timestampMs }: LogRecord): StepArrival => ({
  partition,
  acceptedAtMs: timestampMs,
  traceparent: headers[messageHeader.traceparent] ?? nextTraceparent(undefined),
});
