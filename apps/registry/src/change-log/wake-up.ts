/** A wait that can be cut short. A ring that comes while nobody waits ends the next wait at once. */
export class WakeUp {
  private rung = false;
  private ends: (() => void) | null = null;

  ring(): void {
    this.rung = true;
    this.ends?.();
  }

  async wait(timeoutMs: number): Promise<void> {
    if (!this.rung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        this.ends = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.rung = false;
    this.ends = null;
  }
}
