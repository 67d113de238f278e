import { FIGURES, noFigures, type Figure, type Figures } from './tally.js';

export interface TotalsMessage {
  readonly histories: number;
  readonly sums: Figures;
  readonly reached: Figures;
}

/** What many histories came to: how often each thing happened, and in how many of them at all. */
export class Totals {
  histories = 0;
  readonly sums = noFigures();
  readonly reached = noFigures();

  add(figures: Figures): void {
    this.histories++;
    for (const name of names) {
      this.sums[name] += figures[name];
      if (figures[name] > 0) this.reached[name]++;
    }
  }

  merge({ histories, sums, reached }: TotalsMessage): void {
    this.histories += histories;
    for (const name of names) {
      this.sums[name] += sums[name];
      this.reached[name] += reached[name];
    }
  }

  asMessage(): TotalsMessage {
    return { histories: this.histories, sums: this.sums, reached: this.reached };
  }

  /** One row each: what, how often, in what share of the histories. */
  rows(): (readonly [string, number, string])[] {
    return names.map((name) => [FIGURES[name], this.sums[name], `${((100 * this.reached[name]) / this.histories).toFixed(1)} %`]);
  }

  lines(): string[] {
    return this.rows().map(([what, times, share]) => `${String(times).padStart(12)}  ${share.padStart(7)}  ${what}`);
  }
}

const names = Object.keys(FIGURES) as Figure[];
