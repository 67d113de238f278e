/**
 * A bound on what all partitions hold together that no partition can use up for the others: half of it is shared out evenly and
 * always there for each, the other half is a pool for whoever needs more. `held` is what one partition holds.
 */
export class BufferBudget {
  #share: number;
  #pooled = 0;

  constructor(private readonly max: number) {
    this.#share = Math.floor(max / 2);
  }

  /** The partitions that are owned now hold so much each. */
  setPartitions(held: readonly number[]): void {
    // Without at least one, whatever stands still in other partitions could keep this one from getting its next record.
    this.#share = Math.max(1, Math.floor(this.max / 2 / Math.max(1, held.length)));
    this.#pooled = held.reduce((pooled, each) => pooled + this.#beyondShare(each), 0);
  }

  /** What one partition holds went from one amount to another. */
  move(from: number, to: number): void {
    this.#pooled += this.#beyondShare(to) - this.#beyondShare(from);
  }

  /** This partition must not get more. */
  exhausted(held: number): boolean {
    return held >= this.#share && this.#pooled >= this.max / 2;
  }

  /** Fetching may go on; well below `exhausted`, so that it does not flutter. */
  roomy(held: number): boolean {
    return held < this.#share / 2 || this.#pooled < this.max / 4;
  }

  #beyondShare(held: number): number {
    return Math.max(0, held - this.#share);
  }
}
