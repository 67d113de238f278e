import { EventEmitter } from 'node:events';

type Turn = () => void;

/**
 * Turns the windows of all circuits, as one timer asks it to. It is an emitter since opossum takes no less, and one of its own since an emitter
 * searches its list for a listener that goes: with more functions than circuits, each call makes one circuit and drops another.
 */
export class Rotation extends EventEmitter {
  private readonly turns = new Set<Turn>();

  override on(_event: string, turn: Turn): this {
    this.turns.add(turn);
    return this;
  }

  override removeListener(_event: string, turn: Turn): this {
    this.turns.delete(turn);
    return this;
  }

  rotate(): void {
    for (const turn of this.turns) turn();
  }
}
