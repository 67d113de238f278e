/**
 * The limits of functions, which change. What an engine asks for a record holds until that starts: its turn has come by then, and it may
 * have to wait for the log, or until nothing else runs.
 */
export class SimulatedLimits {
  readonly #history = new Map<string, number[]>();

  constructor(private readonly usual: number) {}

  now(functionId: string): number {
    return this.#of(functionId).at(-1)!;
  }

  /** How often it has changed. */
  changes(functionId: string): number {
    return this.#of(functionId).length - 1;
  }

  /** Since it had changed so often. */
  highestSince(functionId: string, changes: number): number {
    return Math.max(...this.#of(functionId).slice(changes));
  }

  change(functionId: string, limit: number): void {
    this.#of(functionId).push(limit);
  }

  changeBack(): void {
    for (const history of this.#history.values()) history.push(this.usual);
  }

  #of(functionId: string): number[] {
    let history = this.#history.get(functionId);
    if (history === undefined) this.#history.set(functionId, (history = [this.usual]));
    return history;
  }
}
