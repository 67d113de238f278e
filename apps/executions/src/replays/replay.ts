import { auditEvent, type AuditEvent, uuid, writtenTime } from '@cf/contract';
import { z } from 'zod';
import type { ReplaySkip } from './check-replay.js';

const replayStatus = z.enum(['running', 'paused', 'completed', 'cancelled']);
export type ReplayStatus = z.infer<typeof replayStatus>;

/**
 * One row of the table `replays`.
 *
 *   running <─pause, resume─> paused          completed: everything was looked at and each sending has ended
 *   running, paused ──cancellation──> cancelled: nothing more is sent; what waits is cancelled, what is out ends
 *
 * `completedAt` is set once nothing of it is pending, also after a cancellation.
 */
export interface Replay {
  readonly id: string;
  readonly orgId: string;
  readonly name: string;
  readonly status: ReplayStatus;
  /** As it was given; null when invocations were named. */
  readonly filter: Record<string, unknown> | null;
  readonly onlyIfNotSucceeded: boolean;
  readonly total: number;
  readonly enqueued: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly skipped: Partial<Record<ReplaySkip, number>>;
  readonly allEnqueued: boolean;
  readonly cursorCreatedAt: Date | null;
  readonly cursorInvocationId: string | null;
  readonly createdBy: AuditEvent['actor'];
  readonly createdAt: Date;
  readonly completedAt: Date | null;
}

export const replayColumns = `id, org_id AS "orgId", name, status, filter, only_if_not_succeeded AS "onlyIfNotSucceeded", total, enqueued,
  succeeded, failed, cancelled, skipped, all_enqueued AS "allEnqueued", cursor_created_at AS "cursorCreatedAt",
  cursor_invocation_id AS "cursorInvocationId", created_by AS "createdBy", created_at AS "createdAt", completed_at AS "completedAt"`;

export const replayAnswer = z
  .object({
    id: uuid,
    name: z.string(),
    status: replayStatus,
    filter: z.record(z.string(), z.unknown()).nullable(),
    onlyIfNotSucceeded: z.boolean(),
    total: z.int(),
    enqueued: z.int(),
    succeeded: z.int(),
    failed: z.int(),
    cancelled: z.int(),
    pending: z.int(),
    skipped: z.record(z.string(), z.int()).meta({ description: 'How many were not sent, by reason.' }),
    createdBy: auditEvent.shape.actor,
    createdAt: writtenTime,
    completedAt: writtenTime.nullable(),
  })
  .meta({ id: 'Replay' });

export const dryRunAnswer = z.object({ dryRun: z.literal(true), count: z.int() }).meta({ id: 'ReplayDryRun' });

/** A replay as the API shows it. `pending`: to be looked at, waiting, or sent and unanswered. */
export const replayView = (replay: Replay): z.infer<typeof replayAnswer> => {
  const skippedCount = Object.values(replay.skipped).reduce((sum, count) => sum + count, 0);
  const ended = replay.succeeded + replay.failed + replay.cancelled;
  const ahead = replay.allEnqueued || replay.status === 'cancelled' ? 0 : Math.max(0, replay.total - replay.enqueued - skippedCount);
  return {
    id: replay.id,
    name: replay.name,
    status: replay.status,
    filter: replay.filter,
    onlyIfNotSucceeded: replay.onlyIfNotSucceeded,
    total: replay.total,
    enqueued: replay.enqueued,
    succeeded: replay.succeeded,
    failed: replay.failed,
    cancelled: replay.cancelled,
    pending: ahead + (replay.completedAt === null ? Math.max(0, replay.enqueued - ended) : 0),
    skipped: replay.skipped,
    createdBy: replay.createdBy,
    createdAt: replay.createdAt.toISOString(),
    completedAt: replay.completedAt?.toISOString() ?? null,
  };
};
