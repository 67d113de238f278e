import {
  type Attempt,
  type AttemptOrigin,
  type InvocationRequest,
  type InvocationResult,
  LOGGED_BODY_BYTES_MAX,
  sameId,
} from '@cf/contract';
import { cutText } from '../cut-text.js';
import type { Execution } from '../execution.js';
import { foldInvocationResult, foldStepResult } from './fold-result.js';
import { type HeardResult, invocationIdOf } from './heard-result.js';

export interface AttemptRow extends Omit<Attempt, 'request' | 'response'> {
  readonly invocationId: string;
  readonly orgId: string;
  readonly seq: number;
  readonly requestHeaders: Record<string, string>;
  readonly responseHeaders: Record<string, string> | null;
  readonly responseBody: string | null;
  readonly responseTruncated: boolean | null;
}

/** The request as it can be sent again: everything but the body as JSON text, and the body as it came. */
export interface RequestRow {
  readonly invocationId: string;
  readonly orgId: string;
  readonly acceptedAt: string;
  readonly envelope: string;
  readonly body: string;
  readonly truncated: boolean;
}

export interface DueRow {
  readonly invocationId: string;
  readonly orgId: string;
  readonly cloudFunctionId: string;
  readonly triggerId: string | null;
  readonly seq: number;
  readonly attempt: number;
  readonly origin: AttemptOrigin;
  readonly priority: number;
  readonly dueAt: string;
  /** Waits for the endpoint of its function to be well, and is released at that function's pace. */
  readonly held: boolean;
}

export interface Recording {
  readonly added: readonly Execution[];
  readonly changed: readonly Execution[];
  /** Of invocations that had none. */
  readonly requests: readonly RequestRow[];
  /** Of invocations that have one, or where that is not known. */
  readonly changedRequests: readonly RequestRow[];
  readonly due: readonly DueRow[];
  /** Ended or superseded: nothing of these waits any more. */
  readonly notDue: readonly string[];
  readonly heldFunctions: ReadonlyMap<string, { readonly orgId: string }>;
  readonly healthyFunctions: readonly string[];
}

/** What a person asked for goes before what the schedule brings, and what was sent again in bulk after everything. */
export const PRIORITY = { byHand: 0, automatic: 1, bulk: 2 } as const;

/** Each attempt that was told of, once. */
export const attemptRowsOf = (heard: readonly HeardResult[]): AttemptRow[] => {
  const rows = new Map<string, AttemptRow>();
  for (const one of heard) {
    if (one.source === 'step') continue;
    const { request, attempts } = one.result;
    for (const { request: sent, response, ...attempt } of attempts) {
      const attemptId = sameId(attempt.attemptId);
      rows.set(attemptId, {
        ...attempt,
        attemptId,
        invocationId: sameId(request.invocationId),
        orgId: request.orgId,
        seq: request.seq,
        requestHeaders: sent.headers,
        responseHeaders: response?.headers ?? null,
        responseBody: response?.body ?? null,
        responseTruncated: response?.truncated ?? null,
      });
    }
  }
  return [...rows.values()];
};

/** The whole body is kept for as long as it may be sent again, else as much as an execution shows. */
const requestRow = (row: Execution, { body, ...envelope }: InvocationRequest): RequestRow => {
  const sendable = row.kind === 'trigger' && row.status !== 'succeeded';
  const kept = sendable ? body : cutText(body, LOGGED_BODY_BYTES_MAX);
  return {
    invocationId: row.invocationId,
    orgId: row.orgId,
    acceptedAt: row.acceptedAt ?? row.createdAt,
    envelope: JSON.stringify(envelope),
    body: kept,
    truncated: kept.length < body.length,
  };
};

/**
 * What waits for its endpoint to be well, or for room at its function, comes back a few at a time; what waits for a pause of ours is let
 * go when that ends. Room has no time of its own: such a sending is due since its event came.
 */
const isPaced = ({ deferReason, dueAt, completedAt }: InvocationResult): boolean =>
  deferReason === 'circuit_open' ||
  deferReason === 'rate_limited' ||
  (deferReason === 'quota' && Date.parse(dueAt ?? completedAt) <= Date.parse(completedAt));

const dueRow = (row: Execution, dueAt: string, isHeld: boolean): DueRow | null =>
  row.cloudFunctionId === null
    ? null
    : {
        invocationId: row.invocationId,
        orgId: row.orgId,
        cloudFunctionId: row.cloudFunctionId,
        triggerId: row.triggerId,
        seq: row.seq,
        attempt: row.nextAttempt,
        origin: 'automatic',
        priority: row.bulk ? PRIORITY.bulk : PRIORITY.automatic,
        dueAt,
        held: isHeld,
      };

const fold = (known: Execution | null, heard: HeardResult): Execution =>
  heard.source === 'invocation'
    ? foldInvocationResult(known, heard.result)
    : foldStepResult(known, heard.result, heard.orgId, heard.offset);

/**
 * What a batch of results changes, given the rows that are known of its invocations and the attempts that are new.
 */
export const planRecording = (
  heard: readonly HeardResult[],
  known: ReadonlyMap<string, Execution>,
  newAttempts: readonly AttemptRow[],
): Recording => {
  const rows = new Map(known);
  const requests = new Map<string, RequestRow>();
  const heldFunctions = new Map<string, { orgId: string }>();
  const healthyFunctions = new Set<string>();
  const paced = new Set<string>();
  for (const one of heard) {
    const id = invocationIdOf(one);
    const before = rows.get(id) ?? null;
    const after = fold(before, one);
    rows.set(id, after);
    if (after === before || one.source === 'step') continue;
    const { request } = one.result;
    if ((before?.acceptedAt ?? null) === null || Buffer.byteLength(request.body) > LOGGED_BODY_BYTES_MAX)
      requests.set(id, requestRow(after, request));
    if (request.kind !== 'trigger') continue;
    if (isPaced(one.result)) {
      paced.add(id);
      heldFunctions.set(sameId(request.cloudFunctionId), { orgId: after.orgId });
    } else paced.delete(id);
    if (after.status === 'succeeded') healthyFunctions.add(sameId(request.cloudFunctionId));
  }
  const counts = new Map<string, number>();
  for (const { invocationId } of newAttempts) counts.set(invocationId, (counts.get(invocationId) ?? 0) + 1);
  const [added, changed]: [Execution[], Execution[]] = [[], []];
  const [due, notDue]: [DueRow[], string[]] = [[], []];
  for (const [id, folded] of rows) {
    const before = known.get(id);
    const more = counts.get(id) ?? 0;
    const row = more === 0 ? folded : { ...folded, attemptCount: folded.attemptCount + more };
    if (before === undefined) added.push(row);
    else if (row !== before) changed.push(row);
    if (row.seq === before?.seq && row.nextAttemptAt === before.nextAttemptAt) continue;
    if (row.nextAttemptAt === null) {
      if (before !== undefined) notDue.push(id);
      continue;
    }
    const sending = dueRow(row, row.nextAttemptAt, paced.has(id));
    if (sending !== null) due.push(sending);
  }
  return {
    added,
    changed,
    requests: [...requests.values()].filter(({ invocationId }) => !known.has(invocationId)),
    changedRequests: [...requests.values()].filter(({ invocationId }) => known.has(invocationId)),
    due,
    notDue,
    heldFunctions,
    healthyFunctions: [...healthyFunctions],
  };
};
