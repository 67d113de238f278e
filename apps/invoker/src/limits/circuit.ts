/**
 * The circuit of one function in one lane. opossum counts and decides; this file asks it before a call and tells it afterwards.
 *
 * closed     calls pass. Finished calls are counted over 10 s; at ≥ 50 % failures of ≥ 20 it opens.
 * open       no call passes for 30 s. Calls that began before it opened are not counted any more.
 * half_open  up to `probes` calls pass at once. That many successes close it, the first failure opens it again.
 *
 * A step is a person who waits, so probes are taken from triggers first. In the step lane no call passes for the first `stepsWaitMs`
 * of half_open; how triggers' calls to the function end meanwhile (`heard`) decides as probes would. Only when none has decided by
 * then, steps are the probes.
 *
 * opossum is told a call when it ends (not wrapped around it), since it would count a call at its beginning and a failure at its end:
 * of 50 calls that hang for 10 s none would be left in the window when they fail.
 */
import type { EventEmitter } from 'node:events';
import { BREAKER, type CircuitState } from '@cf/contract';
import CircuitBreaker from 'opossum';
import type { Held } from './circuit-breakers.js';

/** opossum compares with `>`, the rule says `≥`. */
const ERROR_PERCENTAGE = BREAKER.errorPercentage - 1e-9;
export const BUCKETS = 10;

const FAILED = new Error('the call failed');
const settle = (failed: boolean): Promise<void> => (failed ? Promise.reject(FAILED) : Promise.resolve());

export interface CircuitRules {
  /** Calls that probe a half-open circuit, and successes that close it. */
  readonly probes: number;
  /** ms of half_open in which only triggers probe; 0 in the trigger lane, and where no trigger lane can tell. */
  readonly stepsWaitMs: number;
}

export interface Permit {
  /** Tells how the call ended. Must be called once. Answers the state unless the circuit was closed and stayed so. */
  end(failed: boolean): Promise<CircuitState | null> | null;
}

export class Circuit {
  usedAtMs = Date.now();
  running = 0;
  private readonly breaker: CircuitBreaker<[boolean], void>;
  private openedAtMs = 0;
  private halfOpenAtMs = 0;
  /** Probes of this half-open time that run, and those that succeeded. */
  private probing = 0;
  private proven = 0;

  constructor(
    private readonly rules: CircuitRules,
    readonly resetAt: string | null,
    rotation: EventEmitter,
    changed: (to: CircuitState) => void,
  ) {
    this.breaker = new CircuitBreaker(settle, {
      timeout: false,
      errorThresholdPercentage: ERROR_PERCENTAGE,
      volumeThreshold: BREAKER.callsMin,
      rollingCountTimeout: BREAKER.windowMs,
      rollingCountBuckets: BUCKETS,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      resetTimeout: BREAKER.probeAfterMs,
      rotateBucketController: rotation,
    });
    this.breaker.on('open', () => {
      this.openedAtMs = Date.now();
      changed('open');
    });
    this.breaker.on('halfOpen', () => {
      this.halfOpenAtMs = Date.now();
      this.probing = 0;
      this.proven = 0;
      changed('half_open');
    });
    this.breaker.on('close', () => changed('closed'));
  }

  get state(): CircuitState {
    return this.breaker.closed ? 'closed' : this.breaker.halfOpen ? 'half_open' : 'open';
  }

  /** Null when a call may pass. */
  held(): Held | null {
    const { state } = this;
    if (state === 'closed') return null;
    if (state === 'open') return { state, untilMs: this.openedAtMs + BREAKER.probeAfterMs };
    const stepsMayMs = this.halfOpenAtMs + this.rules.stepsWaitMs;
    if (Date.now() < stepsMayMs) return { state, untilMs: stepsMayMs };
    if (this.probing + this.proven < this.rules.probes) return null;
    // A probe that runs takes as long as its function may; asking after another period is soon enough.
    return { state, untilMs: Date.now() + BREAKER.probeAfterMs };
  }

  begin(): Permit {
    const probeOf = this.state === 'half_open' ? this.halfOpenAtMs : null;
    if (probeOf !== null) this.probing++;
    this.running++;
    return { end: (failed) => this.end(failed, probeOf) };
  }

  heard(failed: boolean): void {
    if (this.state === 'half_open') void this.judge(failed);
  }

  /** It is not asked any more; calls that still run end without a word. */
  close(): void {
    this.breaker.shutdown();
  }

  private end(failed: boolean, probeOf: number | null): Promise<CircuitState | null> | null {
    this.running--;
    this.usedAtMs = Date.now();
    if (this.breaker.isShutdown) return null;
    if (this.state === 'half_open' && probeOf === this.halfOpenAtMs) {
      this.probing--;
      return this.judge(failed).then(() => this.state);
    }
    const told = this.breaker.closed ? this.tell(failed) : Promise.resolve();
    return this.breaker.closed && !failed ? null : told.then(() => (this.breaker.closed ? null : this.state));
  }

  /** opossum hears the verdict: of the first failure, or of the last success that is needed. */
  private async judge(failed: boolean): Promise<void> {
    if (!failed && ++this.proven < this.rules.probes) return;
    await this.tell(failed);
  }

  private tell(failed: boolean): Promise<void> {
    return this.breaker.fire(failed).catch(() => undefined);
  }
}
