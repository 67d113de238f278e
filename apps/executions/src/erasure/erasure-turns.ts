import { Inject, Injectable } from '@nestjs/common';
import { Problem } from '@cf/service-kit';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';

const MINUTE_MS = 60_000;

interface Turns {
  readonly sinceMs: number;
  readonly begun: number;
  readonly isRunning: boolean;
}

/**
 * Erasures of one organization follow each other, and only so many begin in a minute: each keeps all recorders out for a moment. Counted in each
 * process.
 */
@Injectable()
export class ErasureTurns {
  private readonly turns = new Map<string, Turns>();

  constructor(@Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig) {}

  async take<T>(orgId: string, erase: () => Promise<T>): Promise<T> {
    this.begin(orgId, Date.now());
    try {
      return await erase();
    } finally {
      const turns = this.turns.get(orgId);
      if (turns !== undefined) this.turns.set(orgId, { ...turns, isRunning: false });
    }
  }

  private begin(orgId: string, nowMs: number): void {
    for (const [id, { sinceMs, isRunning }] of this.turns) if (!isRunning && nowMs - sinceMs >= MINUTE_MS) this.turns.delete(id);
    const { sinceMs, begun, isRunning } = this.turns.get(orgId) ?? { sinceMs: nowMs, begun: 0, isRunning: false };
    if (isRunning) throw this.refusal('An erasure of the organization is running.', 1);
    const most = this.config.EXECUTIONS_ERASURES_PER_MINUTE;
    if (begun >= most)
      throw this.refusal(`The organization may begin ${most} erasures a minute.`, Math.ceil((sinceMs + MINUTE_MS - nowMs) / 1_000));
    this.turns.set(orgId, { sinceMs, begun: begun + 1, isRunning: true });
  }

  private refusal(detail: string, retryAfterSeconds: number): Problem {
    return new Problem(429, 'too_many_erasures', detail, [], { 'retry-after': String(Math.max(1, retryAfterSeconds)) });
  }
}
