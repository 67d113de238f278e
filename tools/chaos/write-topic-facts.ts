/** What the topics' logs hold after an invokers run, written down for the checker. */
import {
  type InvocationRequest,
  type InvocationResult,
  messageHeader,
  stepInvocationRequests,
  stepRequests,
  stepResults,
  triggerInvocationRequests,
  triggerInvocationResults,
} from '@cf/contract';
import { KafkaLog, type LogRecord, type MessageLog } from '@cf/messaging';
import { type Lane, numberOf } from '../checker/invocation-plan.js';
import { DEFERRED, type LagFact, LineWriter, type LogFile, logFile } from '../checker/invokers-facts.js';

/** A million results are some 2 GB. */
const READ_MS_MAX = 240_000;
const COMMITS = '__consumer_offsets';

const GROUPS: readonly { readonly group: string; readonly topic: string; readonly lane: Lane }[] = [
  { group: 'invoker.trigger', topic: triggerInvocationRequests.name, lane: 'trigger' },
  { group: 'invoker.step', topic: stepInvocationRequests.name, lane: 'step' },
];

const writeAll = async (
  log: MessageLog,
  topic: string,
  folder: string,
  name: LogFile,
  write: (record: LogRecord, writer: LineWriter) => void,
): Promise<void> => {
  const writer = new LineWriter(logFile(folder, name));
  const reader = log.read({
    topic,
    from: 'beginning',
    onRecords: (_, records) => {
      for (const record of records) write(record, writer);
    },
  });
  await reader.reached(await log.endOffsets(topic), READ_MS_MAX);
  await reader.close();
  writer.close();
};

const jsonOf = <T>({ value }: LogRecord): T => JSON.parse(String(value)) as T;

const outcomeOf = ({ disposition, outcome, failureReason, deferReason, attempts }: InvocationResult): string => {
  if (disposition === 'done' && outcome === 'succeeded') return 'succeeded';
  if (disposition === 'deferred' && deferReason === 'quota' && attempts.length === 0) return DEFERRED;
  return `${disposition}:${failureReason ?? deferReason ?? outcome}:${attempts.length}`;
};

interface CommitKey {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
}

/** The key of a committed offset as the broker writes it; null for what else lies there. */
const readCommitKey = ({ key, value }: LogRecord): CommitKey | null => {
  if (key === null || value === null || key.readInt16BE(0) > 1) return null;
  const topicAt = 4 + key.readInt16BE(2);
  const partitionAt = topicAt + 2 + key.readInt16BE(topicAt);
  return {
    group: key.toString('utf8', 4, topicAt),
    topic: key.toString('utf8', topicAt + 2, partitionAt),
    partition: key.readInt32BE(partitionAt),
  };
};

const COMMITTED_OFFSET_AT = 2;

/** Results in the log, so many triggers and steps have one; repeated ones are too few to matter. */
export const answersIn = async (log: MessageLog): Promise<number> => {
  const ends = await Promise.all([triggerInvocationResults, stepResults].map(({ name }) => log.endOffsets(name)));
  return ends.flat().reduce((sum, end) => sum + end, 0);
};

/** A step is answered before the executor commits its request. */
const SETTLED_GROUPS = [...GROUPS, { group: 'step-executor', topic: stepRequests.name }];

/** Committed and end offsets of the invoker's groups and of the executor, as the broker answers. */
export const lagsOf = async (log: MessageLog): Promise<LagFact[]> => {
  const lags = SETTLED_GROUPS.map(async ({ group, topic }) => {
    const [ends, committed] = await Promise.all([log.endOffsets(topic), log.committedOffsets(group, topic)]);
    return ends.map((endOffset, partition) => ({ group, topic, partition, endOffset, committedOffset: committed[partition] ?? null }));
  });
  return (await Promise.all(lags)).flat();
};

export const writeTopicFacts = async (log: MessageLog, brokers: string, prefix: string, folder: string): Promise<void> => {
  await writeAll(log, triggerInvocationRequests.name, folder, 'requests', ({ partition, offset, headers }, writer) =>
    writer.write(partition, offset, numberOf(headers[messageHeader.invocationId] ?? '')),
  );
  await writeAll(log, triggerInvocationResults.name, folder, 'results', (record, writer) => {
    const result = jsonOf<InvocationResult>(record);
    const attemptId = result.attempts.at(-1)?.attemptId ?? '-';
    writer.write(numberOf(result.request.invocationId), outcomeOf(result), attemptId, record.timestampMs);
  });
  await writeAll(log, stepRequests.name, folder, 'stepRequests', (record, writer) => {
    const { requestId, deadline } = jsonOf<{ requestId: string; deadline: string }>(record);
    writer.write(numberOf(requestId), Date.parse(deadline));
  });
  await writeAll(log, stepInvocationRequests.name, folder, 'stepInvocations', (record, writer) =>
    writer.write(record.partition, record.offset, numberOf(jsonOf<InvocationRequest>(record).step?.requestId ?? '')),
  );
  await writeAll(log, stepResults.name, folder, 'stepResults', (record, writer) => {
    const { requestId, outcome, failureReason } = jsonOf<{ requestId: string; outcome: string; failureReason: string | null }>(record);
    writer.write(numberOf(requestId), failureReason ?? outcome, record.timestampMs);
  });
  const whole = new KafkaLog({ brokers: [brokers], clientId: 'chaos' });
  await whole.start();
  await writeAll(whole, COMMITS, folder, 'commits', (record, writer) => {
    const key = readCommitKey(record);
    const of = GROUPS.find(({ group, topic }) => key?.group === prefix + group && key.topic === prefix + topic);
    if (key === null || of === undefined || record.value === null) return;
    writer.write(of.lane, key.partition, Number(record.value.readBigInt64BE(COMMITTED_OFFSET_AT)), record.timestampMs);
  });
  await whole.close();
};
