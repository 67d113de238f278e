import { type InvocationRequest, type InvocationResult, invocationRequest, messageHeader, nextTraceparent, writeTime } from '@cf/contract';
import type { LogRecord } from '@cf/messaging';
import type { ResultPlace } from './invocation-results.publisher.js';

const read = ({ value }: LogRecord): InvocationRequest | null => {
  try {
    return invocationRequest.parse(JSON.parse(value?.toString('utf8') ?? ''));
  } catch {
    return null;
  }
};

/** The result of a request that could not be handled: whoever waits for it hears so. Null for a record that is no request. */
export const internalResult = (record: LogRecord): { result: InvocationResult; place: Omit<ResultPlace, 'partition'> } | null => {
  const request = read(record);
  if (request === null) return null;
  return {
    result: {
      request,
      disposition: 'done',
      outcome: 'failed',
      failureReason: 'internal',
      failureDetail: 'an unexpected error of the service',
      deferReason: null,
      httpStatus: null,
      returnValue: null,
      warning: null,
      dueAt: null,
      attempts: [],
      completedAt: writeTime(Date.now()),
      circuit: null,
    },
    place: { traceparent: nextTraceparent(record.headers[messageHeader.traceparent]) },
  };
};
