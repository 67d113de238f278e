/** What is known of an invokers run: the endpoint's log, the topics' logs, and the faults. One fact a line in plain files. */
import { closeSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Lane } from './invocation-plan.ts';

/**
 * `kill`: SIGKILL of a worker. `pause`: SIGSTOP, then SIGCONT at `toMs`. `restart`: SIGTERM, which must end with code 0, and a new process.
 * `broker`: the broker away until `toMs`. Times are ms since the epoch.
 */
export interface Fault {
  readonly kind: 'kill' | 'pause' | 'restart' | 'broker';
  readonly worker: number | null;
  readonly fromMs: number;
  readonly toMs: number;
  readonly exitCode: number | null;
}

/** The endpoint's log in the order in which it saw things. The worker is known by the address that it dialled. */
export type CallEvent =
  | {
      readonly begins: true;
      readonly call: number;
      readonly worker: number;
      readonly lane: Lane;
      readonly number: number;
      readonly atMs: number;
    }
  | { readonly begins: false; readonly call: number };

/** A record of `invocation.requests.trigger` or `invocation.requests.step`. */
export interface RequestFact {
  readonly partition: number;
  readonly offset: number;
  readonly number: number;
}
/** A record of `invocation.results.trigger`. `outcome`: `succeeded`, else what came instead; one that is `DEFERRED` tells of no call. */
export interface ResultFact {
  readonly number: number;
  readonly outcome: string;
  readonly attemptId: string;
  readonly atMs: number;
}
/** Beyond the quota of its function: to be sent again, under another seq, by executions. */
export const DEFERRED = 'deferred:quota';
/** A commit of a group of the invoker, as the broker keeps it in `__consumer_offsets`. */
export interface CommitFact {
  readonly lane: Lane;
  readonly partition: number;
  readonly offset: number;
  readonly atMs: number;
}
/** A record of `chatbot.step-requests`. */
export interface StepRequestFact {
  readonly number: number;
  readonly deadlineMs: number;
}
/** A record of `chatbot.step-results`. */
export interface StepResultFact {
  readonly number: number;
  readonly outcome: string;
  readonly atMs: number;
}
/** What the broker said of a group once all was done. */
export interface LagFact {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly endOffset: number;
  readonly committedOffset: number | null;
}

export interface InvokersRun {
  readonly workers: number;
  /** Calls at once of a worker, by its settings. */
  readonly callsMax: Readonly<Record<Lane, number>>;
  /** Acknowledged by the log: numbers 0 to this. */
  readonly triggers: number;
  readonly steps: number;
  readonly seconds: number;
}

/** All iterables are read once, from the beginning to the end, in the order of their log. */
export interface InvokersFacts {
  readonly run: InvokersRun;
  readonly faults: readonly Fault[];
  readonly calls: Iterable<CallEvent>;
  readonly requests: Iterable<RequestFact>;
  readonly results: Iterable<ResultFact>;
  readonly commits: Iterable<CommitFact>;
  readonly stepRequests: Iterable<StepRequestFact>;
  /** What became of them on their way to an invoker. */
  readonly stepInvocations: Iterable<RequestFact>;
  readonly stepResults: Iterable<StepResultFact>;
  readonly lags: readonly LagFact[];
}

export type LogFile = 'calls' | 'requests' | 'results' | 'commits' | 'stepRequests' | 'stepInvocations' | 'stepResults';
export const logFile = (folder: string, name: LogFile): string => join(folder, `${name}.log`);

const FLUSH_CHARS = 256 * 1024;

/** Appends lines in large pieces; `flush` before somebody else reads. */
export class LineWriter {
  private readonly file: number;
  private text = '';

  constructor(path: string) {
    this.file = openSync(path, 'a');
  }

  write(...words: readonly (string | number)[]): void {
    this.text += `${words.join(' ')}\n`;
    if (this.text.length > FLUSH_CHARS) this.flush();
  }

  flush(): void {
    if (this.text === '') return;
    writeSync(this.file, this.text);
    this.text = '';
  }

  close(): void {
    this.flush();
    closeSync(this.file);
  }
}

const READ_BYTES = 1024 * 1024;

/** The words of each line, a piece of the file in memory at a time. */
function* wordsOf(path: string): Generator<string[]> {
  const file = openSync(path, 'r');
  const buffer = Buffer.alloc(READ_BYTES);
  let rest = '';
  try {
    for (let bytes = readSync(file, buffer); bytes > 0; bytes = readSync(file, buffer)) {
      const lines = (rest + buffer.toString('latin1', 0, bytes)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield line.split(' ');
    }
  } finally {
    closeSync(file);
  }
}

function* mapped<T>(path: string, read: (words: readonly string[]) => T): Generator<T> {
  for (const words of wordsOf(path)) yield read(words);
}

const lane = (word: string | undefined): Lane => (word === 'step' ? 'step' : 'trigger');

const readCall = ([sign, call, worker, of, number, atMs]: readonly string[]): CallEvent =>
  sign === '+'
    ? { begins: true, call: Number(call), worker: Number(worker), lane: lane(of), number: Number(number), atMs: Number(atMs) }
    : { begins: false, call: Number(call) };

const readRequest = ([partition, offset, number]: readonly string[]): RequestFact => ({
  partition: Number(partition),
  offset: Number(offset),
  number: Number(number),
});

export const writeRun = (folder: string, facts: Pick<InvokersFacts, 'run' | 'faults' | 'lags'>): void =>
  writeFileSync(join(folder, 'run.json'), JSON.stringify(facts, null, 2));

export const readInvokersFacts = (folder: string): InvokersFacts => ({
  ...(JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as Pick<InvokersFacts, 'run' | 'faults' | 'lags'>),
  calls: mapped(logFile(folder, 'calls'), readCall),
  requests: mapped(logFile(folder, 'requests'), readRequest),
  results: mapped(logFile(folder, 'results'), ([number, outcome = '', attemptId = '', atMs]) => ({
    number: Number(number),
    outcome,
    attemptId,
    atMs: Number(atMs),
  })),
  commits: mapped(logFile(folder, 'commits'), ([of, partition, offset, atMs]) => ({
    lane: lane(of),
    partition: Number(partition),
    offset: Number(offset),
    atMs: Number(atMs),
  })),
  stepRequests: mapped(logFile(folder, 'stepRequests'), ([number, deadlineMs]) => ({
    number: Number(number),
    deadlineMs: Number(deadlineMs),
  })),
  stepInvocations: mapped(logFile(folder, 'stepInvocations'), readRequest),
  stepResults: mapped(logFile(folder, 'stepResults'), ([number, outcome = '', atMs]) => ({
    number: Number(number),
    outcome,
    atMs: Number(atMs),
  })),
});
