import { Inject } from '@nestjs/common';
import { stepRequest, stepRequests } from '@cf/contract';
import {
  ConsumerGroup,
  type AssignedPartition,
  type ConsumerGroupHooks,
  type LogRecord,
  type TopicPartition,
  type UnreadableMessage,
} from '@cf/messaging';
import { arrivalOf } from './arrival.js';
import { PendingSteps } from './pending-steps.js';
import { StepReadBack } from './read-back.js';
import { STEP_EXECUTOR_CONFIG, type StepExecutorConfig } from './step-executor.config.js';
import { readFragment } from './unreadable-request.js';

export const STEP_EXECUTOR_GROUP = 'step-executor';

/** Room beside the pending steps for results and refusals, so that what ends a step never waits behind what begins one. */
const ROOM_FOR_RESULTS = 10_000;
/** 60,000 requests and results of 1–4 KB; a full buffer stops fetching, so it is wide. */
const BUFFERED_BYTES_MAX = 512 * 1024 * 1024;
/** For answers that are on their way and the last commit; pending steps stay uncommitted, their next owner goes on with them. */
const DRAIN_MS = 1_000;

@ConsumerGroup(STEP_EXECUTOR_GROUP, { coPartitioned: true })
export class StepExecutorGroup implements ConsumerGroupHooks {
  readonly limits;

  constructor(
    @Inject(STEP_EXECUTOR_CONFIG) { STEP_PENDING_MAX }: StepExecutorConfig,
    private readonly steps: PendingSteps,
    private readonly readBack: StepReadBack,
  ) {
    const maxInFlight = STEP_PENDING_MAX + ROOM_FOR_RESULTS;
    this.limits = {
      maxInFlight,
      maxBufferedRecords: maxInFlight + ROOM_FOR_RESULTS,
      maxBufferedBytes: BUFFERED_BYTES_MAX,
      onRevoke: 'drain' as const,
      drainTimeoutMs: DRAIN_MS,
      onOffsetOutOfRange: 'earliest' as const,
    };
  }

  async assigned(partitions: readonly AssignedPartition[]): Promise<void> {
    const numbers = new Set(partitions.map(({ partition }) => partition));
    await Promise.all([...numbers].map((partition) => this.readBack.restore(partition)));
  }

  lost(partitions: readonly TopicPartition[]): void {
    this.steps.drop(new Set(partitions.map(({ partition }) => partition)));
  }

  /** Nonsense is answered when a request id can be found in it: a person may be waiting (product.md §5). */
  async unreadable(record: LogRecord, error: UnreadableMessage): Promise<boolean> {
    const step = record.topic === stepRequests.name ? readFragment(error.json) : null;
    if (step === null) return false;
    await this.steps.refuse(step, { reason: 'invalid_request', detail: error.detail }, arrivalOf(record));
    return true;
  }

  async failed(record: LogRecord): Promise<boolean> {
    if (record.topic !== stepRequests.name || record.value === null) return false;
    const { data: request } = stepRequest.safeParse(JSON.parse(record.value.toString('utf8')));
    if (request === undefined) return false;
    await this.steps.refuse(request, { reason: 'internal', detail: 'The step could not be handled.' }, arrivalOf(record));
    return true;
  }
}
