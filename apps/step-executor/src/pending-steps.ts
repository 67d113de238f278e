/**
 * A step has one result, by its deadline, even with no invoker alive (guarantees.md §2). Nothing here is stored: the log is the
 * state. A step request stays uncommitted until its result is acknowledged, so its offset is the durable timer; whoever owns the
 * partition next reads back what was published and goes on from there.
 *
 * A step is known by (orgId, requestId) and is
 * - new: it is planned. Either it is refused at once, or its invocation request is published and its timer armed.
 * - sent: its invocation request was read back from before a crash; it only gets its timer, no second call.
 * - pending: it waits for its invocation result or its timer. The same request again is attached: one result completes both.
 * - answered: the first of result and timer wrote the answer, which is published until acknowledged. The same request again gets
 *   the same bytes; an invocation result that comes now is dropped.
 * - early: an invocation result came whose request was not read (again) yet; it is kept for that request.
 *
 * A lost partition takes its steps with it: timers are cleared, handlers let go, nothing more is published for them.
 *
 * What it trades: repeats are found among the partitions of this process and within what is kept of the past. Beyond both a
 * repeat is a new call, and readers still take the first result only.
 */
import {
  FUNCTION_TIMEOUT_MS,
  sameId,
  STEP_DEADLINE_MAX_MS,
  stepDeadlineMs,
  type InvocationRequest,
  type InvocationResult,
  type StepRequest,
  type StepResult,
} from '@cf/contract';
import { MessagingError } from '@cf/messaging';
import { decideFailedResult, decideResult, type StepFailure, type StepIdentity } from './decide-result.js';
import { ExpiringEntries } from './expiring-entries.js';
import { isUncertain, planInvocation, type StepConfiguration } from './plan-invocation.js';

/** Where a step's messages lie, and the trace they belong to. */
export interface StepPlace {
  readonly partition: number;
  readonly traceparent: string;
}

/** How a step request came. `acceptedAtMs` is broker time. */
export interface StepArrival extends StepPlace {
  readonly acceptedAtMs: number;
}

export interface StepPorts {
  configuration(request: StepRequest): StepConfiguration;
  /** Resolves when everything is known that the registry has acknowledged, or when it cannot be asked. */
  caughtUp(): Promise<unknown>;
  publishRequest(request: InvocationRequest, place: StepPlace): Promise<void>;
  publishResult(result: StepResult, text: string, place: StepPlace): Promise<void>;
  answered(result: StepResult): void;
  repeated(how: 'answered' | 'attached'): void;
  droppedLate(): void;
}

export interface StepLimits {
  readonly answersWindowMs: number;
  readonly answersBytesMax: number;
  readonly pendingMax: number;
}

/** No step outlives its minute; the rest is for a process that takes over. Older requests and results concern no step that waits. */
export const STEP_TRAFFIC_MS = STEP_DEADLINE_MAX_MS + 10_000;
/** Early results and sent requests of 70 s at 1,000 steps/s, less what is answered already; the oldest go first. */
const TRAFFIC_ENTRIES_MAX = 70_000;
const ANSWERS_MAX = 1_000_000;

export class PartitionLostError extends MessagingError {
  constructor() {
    super('partition_lost', 'the partition belongs to another member now', true);
  }
}

type Failing = StepIdentity & { readonly failureBranch: boolean };

class PendingStep {
  timer: NodeJS.Timeout | undefined;
  branchOptions: readonly string[] = [];
  /** Whether an invocation request is on its topic, so that a call may have begun. */
  sent = false;
  acknowledge!: () => void;
  fail!: (error: unknown) => void;
  readonly acknowledged: Promise<void>;

  constructor(
    readonly key: string,
    readonly request: StepRequest,
    readonly arrival: StepArrival,
  ) {
    this.acknowledged = new Promise((resolve, reject) => {
      this.acknowledge = resolve;
      this.fail = reject;
    });
    this.acknowledged.catch(() => undefined);
  }
}

/** Test invocations share the lane and belong to no step; a sending that is not done says nothing final. */
const endsStep = ({ request, disposition }: InvocationResult): boolean => request.step !== null && !request.test && disposition === 'done';

export const stepKey = (orgId: string, requestId: string): string => `${sameId(orgId)}/${sameId(requestId)}`;

export class PendingSteps {
  private readonly pending = new Map<string, PendingStep>();
  private readonly answers: ExpiringEntries<string>;
  private readonly early = new ExpiringEntries<InvocationResult>({ entriesMax: TRAFFIC_ENTRIES_MAX });
  private readonly sent = new ExpiringEntries<true>({ entriesMax: TRAFFIC_ENTRIES_MAX });

  constructor(
    private readonly ports: StepPorts,
    private readonly limits: StepLimits,
  ) {
    this.answers = new ExpiringEntries({ entriesMax: ANSWERS_MAX, bytesMax: limits.answersBytesMax });
  }

  get size(): { pending: number; answers: number; answersBytes: number } {
    return { pending: this.pending.size, answers: this.answers.size, answersBytes: this.answers.bytes };
  }

  /** Resolves when the result of this request is acknowledged. */
  accept(request: StepRequest, arrival: StepArrival): Promise<void> {
    const key = stepKey(request.orgId, request.requestId);
    return this.repeat(key, arrival) ?? this.begin(key, request, arrival);
  }

  /** Answers a request that gets no call. One without an organization has no identity, so each of its records gets its answer. */
  refuse(step: Failing, failure: StepFailure, arrival: StepArrival): Promise<void> {
    const result = decideFailedResult(step, failure, this.times(arrival));
    if (step.orgId !== null) {
      const key = stepKey(step.orgId, step.requestId);
      return this.repeat(key, arrival) ?? this.answer(key, result, arrival);
    }
    this.ports.answered(result);
    return this.ports.publishResult(result, JSON.stringify(result), arrival);
  }

  /** Resolves when what follows from this invocation result is acknowledged. */
  async settle(result: InvocationResult, partition: number): Promise<void> {
    const { orgId, step } = result.request;
    if (step === null || !endsStep(result)) return;
    const key = stepKey(orgId, step.requestId);
    if (this.answers.get(key) !== undefined) return this.ports.droppedLate();
    const pending = this.pending.get(key);
    if (pending !== undefined) return this.complete(pending, this.decide(pending, result));
    this.restoreResult(key, result, partition);
  }

  restoreAnswer(key: string, text: string, partition: number, publishedAtMs: number): void {
    this.answers.add(key, text, { partition, expiresAtMs: publishedAtMs + this.limits.answersWindowMs, bytes: text.length });
  }

  restoreSent(key: string, partition: number, publishedAtMs: number): void {
    if (!this.isAnswered(key)) this.sent.add(key, true, { partition, expiresAtMs: publishedAtMs + STEP_TRAFFIC_MS });
  }

  restoreResult(key: string, result: InvocationResult, partition: number): void {
    if (endsStep(result)) this.early.add(key, result, { partition, expiresAtMs: Date.now() + STEP_TRAFFIC_MS });
  }

  isAnswered(key: string): boolean {
    return this.answers.get(key) !== undefined;
  }

  /** Lets go of everything that belongs to these partitions. */
  drop(partitions: ReadonlySet<number>): void {
    for (const step of this.pending.values()) {
      if (!partitions.has(step.arrival.partition)) continue;
      this.close(step);
      step.fail(new PartitionLostError());
    }
    for (const entries of [this.answers, this.early, this.sent]) entries.drop(partitions);
  }

  private begin(key: string, request: StepRequest, arrival: StepArrival): Promise<void> {
    if (this.pending.size >= this.limits.pendingMax) {
      const failure: StepFailure = { reason: 'rate_limited', detail: 'Too many steps wait for a result.' };
      return this.answer(key, decideFailedResult(request, failure, this.times(arrival)), arrival);
    }
    const step = new PendingStep(key, request, arrival);
    this.pending.set(key, step);
    this.plan(step).catch((error: unknown) => this.abandon(step, error));
    return step.acknowledged;
  }

  private async plan(step: PendingStep): Promise<void> {
    const { request, arrival } = step;
    let configuration = this.ports.configuration(request);
    this.arm(step, configuration);
    const early = this.early.take(step.key);
    if (early !== undefined) return this.complete(step, this.decide(step, early));
    step.sent = this.sent.take(step.key) ?? false;
    if (step.sent) return;
    if (isUncertain(configuration)) {
      await this.ports.caughtUp();
      if (!this.waits(step)) return;
      configuration = this.ports.configuration(request);
      this.arm(step, configuration);
    }
    const plan = planInvocation(request, configuration, arrival.acceptedAtMs, Date.now());
    if (plan.kind === 'refuse') return this.complete(step, decideFailedResult(request, plan, this.times(arrival)));
    await this.ports.publishRequest(plan.invocation, arrival);
    step.sent = true;
  }

  private arm(step: PendingStep, { cloudFunction }: StepConfiguration): void {
    const { request, arrival } = step;
    const deadlineMs = stepDeadlineMs(request, arrival.acceptedAtMs, cloudFunction?.timeoutMs ?? FUNCTION_TIMEOUT_MS.default);
    step.branchOptions = cloudFunction?.branchOptions ?? [];
    clearTimeout(step.timer);
    step.timer = setTimeout(() => this.expire(step), Math.max(0, deadlineMs - Date.now()));
  }

  private expire(step: PendingStep): void {
    const detail = step.sent
      ? 'No result came before the deadline; whether the call was begun is not known.'
      : 'The deadline was over before a call could be made.';
    const result = decideFailedResult(step.request, { reason: 'deadline_exceeded', detail }, this.times(step.arrival));
    // A failed publish reaches the step's own handler, which is tried again.
    this.complete(step, result).catch(() => undefined);
  }

  /** A request that could not be published leaves nothing behind: its handler is tried again, unless it never can succeed. */
  private abandon(step: PendingStep, error: unknown): void {
    if (!this.waits(step)) return;
    if (error instanceof MessagingError && !error.retryable) {
      const failure: StepFailure = { reason: 'internal', detail: `The invocation request could not be published: ${error.code}.` };
      this.complete(step, decideFailedResult(step.request, failure, this.times(step.arrival))).catch(() => undefined);
      return;
    }
    this.close(step);
    step.fail(error);
  }

  private async complete(step: PendingStep, result: StepResult): Promise<void> {
    if (!this.waits(step)) return;
    clearTimeout(step.timer);
    try {
      await this.answer(step.key, result, step.arrival);
      step.acknowledge();
    } catch (error) {
      step.fail(error);
      throw error;
    } finally {
      this.close(step);
    }
  }

  private async answer(key: string, result: StepResult, place: StepPlace): Promise<void> {
    const text = JSON.stringify(result);
    this.restoreAnswer(key, text, place.partition, Date.now());
    this.ports.answered(result);
    await this.ports.publishResult(result, text, place);
  }

  /** A step that is pending or answered gets no second call; undefined for a new one. Synchronous, so that two at once are one. */
  private repeat(key: string, arrival: StepArrival): Promise<void> | undefined {
    const pending = this.pending.get(key);
    if (pending !== undefined) {
      this.ports.repeated('attached');
      return this.attach(pending, arrival);
    }
    if (!this.isAnswered(key)) return undefined;
    this.ports.repeated('answered');
    return this.answerAgain(key, arrival);
  }

  private async attach(pending: PendingStep, arrival: StepArrival): Promise<void> {
    await pending.acknowledged;
    if (pending.arrival.partition !== arrival.partition) await this.answerAgain(pending.key, arrival);
  }

  private async answerAgain(key: string, arrival: StepArrival): Promise<void> {
    const text = this.answers.get(key);
    if (text === undefined) throw new PartitionLostError();
    await this.ports.publishResult(JSON.parse(text) as StepResult, text, arrival);
  }

  private decide(step: PendingStep, result: InvocationResult): StepResult {
    return decideResult(step.request, result, step.branchOptions, this.times(step.arrival));
  }

  private times({ acceptedAtMs }: StepArrival): { acceptedAtMs: number; nowMs: number } {
    return { acceptedAtMs, nowMs: Date.now() };
  }

  /** False once the step is answered or its partition is lost. */
  private waits(step: PendingStep): boolean {
    return this.pending.get(step.key) === step && !this.isAnswered(step.key);
  }

  private close(step: PendingStep): void {
    clearTimeout(step.timer);
    if (this.pending.get(step.key) === step) this.pending.delete(step.key);
  }
}
