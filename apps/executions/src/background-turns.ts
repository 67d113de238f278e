import { setTimeout as wait } from 'node:timers/promises';

/**
 * Work that goes on in the background, one turn after another until it is stopped. A turn answers how many ms to rest after it, 0 for more at
 * once; one that fails is told, and tried again after `backOffMs`.
 */
export class BackgroundTurns {
  private readonly stopping = new AbortController();
  private turns: Promise<void> = Promise.resolve();

  constructor(
    private readonly turn: () => Promise<number>,
    private readonly failed: (error: unknown) => void,
    private readonly backOffMs: number,
  ) {}

  get stopped(): boolean {
    return this.stopping.signal.aborted;
  }

  start(): void {
    this.turns = this.run();
  }

  /** Resolves when the turn that runs has ended. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.turns;
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      const restMs = await this.turn().catch((error: unknown) => {
        this.failed(error);
        return this.backOffMs;
      });
      if (restMs > 0) await wait(restMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }
}
