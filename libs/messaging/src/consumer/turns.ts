import { LinkedLine, type InLine } from './linked-line.js';

export interface Contender<T extends InLine<T>> extends InLine<T> {
  /** Slots that it holds. */
  running: number;
}

/**
 * Whose turn it is: of those that stand here the one that holds the fewest slots, and equals take turns. There is a line for each number
 * of slots; a call that starts or ends moves its contender to the neighbouring one.
 */
export class Turns<T extends Contender<T>> {
  readonly #linesBySlots: LinkedLine<T>[] = [];
  /** Every line below this one is empty. */
  #lowest = 0;

  /** Begins to stand, or moves to where the slots that it holds now put it. */
  stand(contender: T): void {
    const line = (this.#linesBySlots[contender.running] ??= new LinkedLine());
    if (contender.running < this.#lowest) this.#lowest = contender.running;
    if (contender.line === line) return;
    contender.line?.remove(contender);
    line.push(contender);
  }

  first(): T | null {
    for (; this.#lowest < this.#linesBySlots.length; this.#lowest++) {
      const contender = this.#linesBySlots[this.#lowest]?.first ?? null;
      if (contender !== null) return contender;
    }
    return null;
  }
}
