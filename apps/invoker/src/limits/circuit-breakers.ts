/**
 * A circuit for each function, within one lane. opossum counts and decides; this file asks it before a call and tells it afterwards.
 *
 * closed     calls pass. Finished calls are counted over 10 s; at ≥ 50 % failures of ≥ 20 it opens.
 * open       no call passes for 30 s. Calls that began before it opened are not counted any more.
 * half_open  one call passes as the probe; its success closes the circuit, its failure opens it again.
 *
 * opossum is told a call when it ends (not wrapped around it), since it would count a call at its beginning and a failure at its end:
 * of 50 calls that hang for 10 s none would be left in the window when they fail.
 */
import { EventEmitter } from 'node:events';
import { BREAKER, type CircuitState } from '@cf/contract';
import CircuitBreaker from 'opossum';

/** opossum compares with `>`, the rule says `≥`. */
const ERROR_PERCENTAGE = BREAKER.errorPercentage - 1e-9;
const BUCKETS = 10;
/** A circuit that was quiet for longer than its window knows nothing any more. */
const IDLE_MS = 2 * BREAKER.windowMs;

const FAILED = new Error('the call failed');
const settle = (failed: boolean): Promise<void> => (failed ? Promise.reject(FAILED) : Promise.resolve());

export interface Permit {
  /** Tells how the call ended. Must be called once. */
  end(failed: boolean): void;
}

export interface Held {
  /** When the circuit can be asked again, ms since the epoch. */
  readonly untilMs: number;
}

class Circuit {
  usedAtMs = Date.now();
  running = 0;
  private readonly breaker: CircuitBreaker<[boolean], void>;
  private openedAtMs = 0;
  private probing = false;

  constructor(rotation: EventEmitter) {
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
    });
  }

  get state(): CircuitState {
    return this.breaker.closed ? 'closed' : this.breaker.halfOpen ? 'half_open' : 'open';
  }

  /** Null when a call may pass. */
  heldUntilMs(): number | null {
    const { state } = this;
    if (state === 'closed' || (state === 'half_open' && !this.probing)) return null;
    // A probe that runs takes as long as its function may; asking after another period is soon enough.
    return (state === 'open' ? this.openedAtMs : Date.now()) + BREAKER.probeAfterMs;
  }

  begin(): Permit {
    const probe = this.state === 'half_open';
    this.probing ||= probe;
    this.running++;
    return { end: (failed) => this.end(failed, probe) };
  }

  close(): void {
    this.breaker.shutdown();
  }

  private end(failed: boolean, probe: boolean): void {
    this.running--;
    this.usedAtMs = Date.now();
    if (probe) this.probing = false;
    else if (!this.breaker.closed) return;
    this.breaker.fire(failed).catch(() => undefined);
  }
}

export class CircuitBreakers {
  /** Least recently used first. */
  private readonly circuits = new Map<string, Circuit>();
  private readonly rotation = new EventEmitter().setMaxListeners(0);
  private readonly rotor: NodeJS.Timeout;

  /** `circuitsMax`: functions remembered; above it the one that was quiet longest is forgotten, which closes its circuit. */
  constructor(private readonly circuitsMax: number) {
    this.rotor = setInterval(() => {
      this.rotation.emit('rotate');
      this.forgetQuiet();
    }, BREAKER.windowMs / BUCKETS).unref();
  }

  /** Whether a call would be held now; takes nothing. */
  heldUntilMs(key: string): number | null {
    return this.circuits.get(key)?.heldUntilMs() ?? null;
  }

  /** Admits a call or says until when it is held. */
  admit(key: string): Permit | Held {
    const circuit = this.touch(key);
    const untilMs = circuit.heldUntilMs();
    return untilMs === null ? circuit.begin() : { untilMs };
  }

  countByState(): Record<CircuitState, number> {
    const counts: Record<CircuitState, number> = { closed: 0, open: 0, half_open: 0 };
    for (const circuit of this.circuits.values()) counts[circuit.state]++;
    return counts;
  }

  close(): void {
    clearInterval(this.rotor);
    for (const circuit of this.circuits.values()) circuit.close();
    this.circuits.clear();
  }

  private touch(key: string): Circuit {
    let circuit = this.circuits.get(key);
    if (circuit === undefined) {
      if (this.circuits.size >= this.circuitsMax) this.forgetOldest();
      circuit = new Circuit(this.rotation);
    } else {
      this.circuits.delete(key);
    }
    circuit.usedAtMs = Date.now();
    this.circuits.set(key, circuit);
    return circuit;
  }

  private forgetQuiet(): void {
    const quietSince = Date.now() - IDLE_MS;
    for (const [key, circuit] of this.circuits) {
      if (circuit.usedAtMs > quietSince) return;
      if (circuit.state === 'closed' && circuit.running === 0) this.forget(key, circuit);
    }
  }

  private forgetOldest(): void {
    for (const [key, circuit] of this.circuits) return this.forget(key, circuit);
  }

  private forget(key: string, circuit: Circuit): void {
    this.circuits.delete(key);
    circuit.close();
  }
}
