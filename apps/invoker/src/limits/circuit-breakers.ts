/**
 * The circuits of one lane, a circuit for each function; `circuit.ts` says how one works. They know nothing of other workers
 * (docs/adr: circuits are each worker's own).
 */
import { BREAKER, type CircuitState } from '@cf/contract';
import { BUCKETS, Circuit, type CircuitRules, type Permit } from './circuit.js';
import { Rotation } from './rotation.js';

/** A circuit that was quiet for longer than its window knows nothing any more. */
const IDLE_MS = 2 * BREAKER.windowMs;

export interface Held {
  /** When the circuit can be asked again, ms since the epoch. */
  readonly untilMs: number;
  readonly state: CircuitState;
}

export interface BreakerRules extends CircuitRules {
  /** Functions remembered; above it the one that was quiet longest is forgotten, which closes its circuit. */
  readonly circuitsMax: number;
}

export class CircuitBreakers {
  /** Least recently used first. */
  private readonly circuits = new Map<string, Circuit>();
  /** One timer turns the windows of all circuits. */
  private readonly rotation = new Rotation();
  private readonly rotor: NodeJS.Timeout;

  constructor(
    private readonly rules: BreakerRules,
    private readonly changed: (to: CircuitState) => void = () => undefined,
  ) {
    this.rotor = setInterval(() => {
      this.rotation.rotate();
      this.forgetQuiet();
    }, BREAKER.windowMs / BUCKETS).unref();
  }

  /** Whether a call would be held now; takes nothing. */
  heldNow(key: string): Held | null {
    return this.circuits.get(key)?.held() ?? null;
  }

  /** Admits a call or says until when it is held. `resetAt` is the function's last manual reset. */
  admit(key: string, resetAt: string | null): Permit | Held {
    const circuit = this.touch(key, resetAt);
    return circuit.held() ?? circuit.begin();
  }

  /** A call of the other lane says how the endpoint is: while the circuit is half-open that decides as a probe would. */
  heard(key: string, failed: boolean): void {
    this.circuits.get(key)?.heard(failed);
  }

  /** Forgets the circuit when this is another reset than the one that it was made after; what still runs counts no more. */
  reset(key: string, resetAt: string | null): void {
    const circuit = this.circuits.get(key);
    if (circuit === undefined || circuit.resetAt === resetAt) return;
    if (circuit.state !== 'closed') this.changed('closed');
    this.forget(key, circuit);
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

  private touch(key: string, resetAt: string | null): Circuit {
    let circuit = this.circuits.get(key);
    if (circuit === undefined) {
      if (this.circuits.size >= this.rules.circuitsMax) this.forgetOldest();
      circuit = new Circuit(this.rules, resetAt, this.rotation, this.changed);
    } else {
      this.circuits.delete(key);
    }
    circuit.usedAtMs = Date.now();
    this.circuits.set(key, circuit);
    return circuit;
  }

  private forgetQuiet(): void {
    const nowMs = Date.now();
    for (const [key, circuit] of this.circuits) {
      const quietMs = nowMs - circuit.usedAtMs;
      if (quietMs < IDLE_MS) return;
      if (circuit.running === 0 && (circuit.state === 'closed' || quietMs >= BREAKER.abandonedAfterMs)) this.forget(key, circuit);
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
