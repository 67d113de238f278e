import { type InvocationRequest, messageHeader, sameId } from '@cf/contract';
import type { LogRecord } from '@cf/messaging';

/** What is called once (invariant 12). */
export const sendingKey = ({ invocationId, seq }: Pick<InvocationRequest, 'invocationId' | 'seq'>): string =>
  `${sameId(invocationId)}/${seq}`;

/** The same from the headers of a record; null where it names none. */
export const sendingKeyOf = ({ headers }: LogRecord): string | null => {
  const invocationId = headers[messageHeader.invocationId];
  const seq = headers[messageHeader.seq];
  return invocationId === undefined || seq === undefined ? null : `${sameId(invocationId)}/${seq}`;
};
