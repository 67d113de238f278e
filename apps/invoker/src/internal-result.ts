import { type InvocationRequest, type InvocationResult, invocationRequest, messageHeader, nextTraceparent, writeTime } from '@cf/contract';
import type { LogRecord } from '@cf/messaging';
import type { InvocationResultsPublisher } from './invocation-results.publisher.js';

const read = ({ value }: LogRecord): InvocationRequest | null => {
  try {
    return invocationRequest.parse(JSON.parse(value?.toString('utf8') ?? ''));
  } catch {
    return null;
  }
};

const internalResult = (request: InvocationRequest): InvocationResult => ({
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
});

/** Publishes the result of a request that could not be handled: whoever waits for it hears so. False for a record that is no request. */
export const answerInternal = async (record: LogRecord, results: InvocationResultsPublisher): Promise<boolean> => {
  const request = read(record);
  if (request === null) return false;
  const traceparent = nextTraceparent(record.headers[messageHeader.traceparent]);
  await results.publish(internalResult(request), { partition: record.partition, traceparent });
  return true;
};
