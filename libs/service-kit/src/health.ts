import { Injectable } from '@nestjs/common';

export interface PartHealth {
  readonly ok: boolean;
  /** In words for an operator. */
  readonly detail: string;
}

/** The parts that must be well before a process takes work. Each part answers from what it knows, at once. */
@Injectable()
export class Health {
  private readonly parts = new Map<string, () => PartHealth>();
  private draining = false;

  register(part: string, check: () => PartHealth): void {
    this.parts.set(part, check);
  }

  get isDraining(): boolean {
    return this.draining;
  }

  /** From now on not ready: what balances load should send nothing more. */
  drain(): void {
    this.draining = true;
  }

  report(): { ready: boolean; parts: Record<string, PartHealth> } {
    const parts = Object.fromEntries([...this.parts].map(([part, check]) => [part, check()]));
    if (this.draining) parts['shutdown'] = { ok: false, detail: 'draining' };
    return { ready: Object.values(parts).every(({ ok }) => ok), parts };
  }
}
