import { describe, expect, it } from '@jest/globals';
import { type InvocationResult, stepInvocationResults, triggerInvocationResults } from '@cf/contract';
import { type MessageLog, type OutgoingRecord, PublishError } from '@cf/messaging';
import { InvocationResultsPublisher } from './invocation-results.publisher.js';

const away = new PublishError('away', 'the log is away', true);
const tooLarge = new PublishError('too_large', 'too large', false);

/** A log that fails with these errors before it takes records. */
const logWith = (failures: PublishError[]) => {
  const taken: OutgoingRecord[] = [];
  const publish = (record: OutgoingRecord): Promise<void> => {
    const failure = failures.shift();
    if (failure !== undefined) return Promise.reject(failure);
    taken.push(record);
    return Promise.resolve();
  };
  return { taken, log: { createPublisher: () => ({ publish, close: () => Promise.resolve() }) } as unknown as MessageLog };
};
const place = { partition: 3, traceparent: 'x' };
const valueOf = (record: OutgoingRecord | undefined): InvocationResult => JSON.parse(String(record?.value)) as InvocationResult;

describe('the result of an invocation', () => {
  it('of a step goes to the partition of its request, of a trigger by its invocation id', async () => {
    const { taken, log } = logWith([]);
    await new InvocationResultsPublisher('step', log).publish(stepInvocationResults.example, place);
    await new InvocationResultsPublisher('trigger', log).publish(triggerInvocationResults.example, place);
    expect(taken.map(({ topic, partition, key }) => [topic, partition, key])).toEqual([
      ['invocation.results.step', 3, stepInvocationResults.key(stepInvocationResults.example)],
      ['invocation.results.trigger', undefined, triggerInvocationResults.example.request.invocationId],
    ]);
  });

  it('carries its request exactly as it came, whatever else is in it', async () => {
    const { taken, log } = logWith([tooLarge]);
    const { request, ...rest } = triggerInvocationResults.example;
    const requestText = JSON.stringify({ ofANewerVersion: 12345678901234567890n.toString(), ...request }, null, 1);
    await new InvocationResultsPublisher('trigger', log).publish({ request, ...rest }, { ...place, requestText });
    expect(String(taken[0]?.value).startsWith(`{"request":${requestText},`)).toBe(true);
    expect(triggerInvocationResults.schema.parse(JSON.parse(String(taken[0]?.value)))).toEqual({
      request,
      ...rest,
      attempts: [expect.objectContaining({ response: { headers: {}, body: '', truncated: true } })],
    });
  });

  it('is published once the log is back, so that nothing is called again for it', async () => {
    const { taken, log } = logWith([away, away]);
    await new InvocationResultsPublisher('trigger', log).publish(triggerInvocationResults.example, place);
    expect(taken).toHaveLength(1);
  });

  it.each(['closed', 'fenced'])('is let go only by a publisher that will not write again: %s', async (code) => {
    const gone = new PublishError(code, 'gone', true);
    const { taken, log } = logWith([away, gone]);
    await expect(new InvocationResultsPublisher('trigger', log).publish(triggerInvocationResults.example, place)).rejects.toBe(gone);
    expect(taken).toEqual([]);
  });

  it('that is too large goes without what the endpoint answered', async () => {
    const { taken, log } = logWith([tooLarge]);
    await new InvocationResultsPublisher('step', log).publish(stepInvocationResults.example, place);
    const { returnValue, attempts } = valueOf(taken[0]);
    expect(returnValue).toBe('Scheduled');
    expect(attempts[0]?.response).toEqual({ headers: {}, body: '', truncated: true });
  });
});
