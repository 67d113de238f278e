import type { Attempt, CircuitState, InvocationRequest } from '@cf/contract';
import type { CallOutcome } from './decide-next.js';
import { notSent } from './http/exchange.js';
import type { Held } from './limits/circuit-breakers.js';
import type { CalleeRefusal } from './prepare-callee.js';
import { recordAttempt } from './record-attempt.js';

/** Spreads what waits for one function over its next seconds. */
const HELD_JITTER_MS = 10_000;

/** How one sending of a request went, and what was exchanged for it. */
export interface Sending {
  readonly outcome: CallOutcome;
  readonly attempts: Attempt[];
  /** The state of the function's circuit, null while it stays closed. */
  readonly circuit: CircuitState | null;
}

export const notCalled = (outcome: CallOutcome, circuit: CircuitState | null = null): Sending => ({ outcome, attempts: [], circuit });

export const failedUncalled = (reason: Extract<CallOutcome, { kind: 'failed' }>['reason'], detail: string): Sending =>
  notCalled({ kind: 'failed', reason, detail, httpStatus: null, retryAfterMs: null });

const held = (reason: 'circuit_open' | 'rate_limited', untilMs: number, detail: string, circuit: CircuitState | null): Sending =>
  notCalled({ kind: 'held', reason, detail, untilMs: untilMs + Math.random() * HELD_JITTER_MS }, circuit);

export const heldByCircuit = ({ untilMs, state }: Held): Sending =>
  held('circuit_open', untilMs, 'the endpoint failed too often and is left alone for a moment', state);

export const heldByPause = (untilMs: number): Sending =>
  held('rate_limited', untilMs, 'the endpoint asked to be left alone for a while', null);

export const tooLate = (): Sending => failedUncalled('deadline_exceeded', 'came too late to be called');

/** A token that cannot be had is an attempt: it is shown, and the next one waits longer. */
export const withoutToken = (
  request: InvocationRequest,
  { reason, detail }: CalleeRefusal,
  attempts: readonly Attempt[],
  startedAtMs: number,
): Sending => {
  const sent = { number: request.attempt + attempts.length, headers: {}, secrets: [] };
  const attempt = recordAttempt(request, sent, notSent(startedAtMs), { reason, detail });
  return { ...failedUncalled(reason, detail), attempts: [...attempts, attempt] };
};
