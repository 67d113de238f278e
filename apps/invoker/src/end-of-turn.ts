let turn: Promise<void> | null = null;

/** Resolves when everything that is ready in this turn of the event loop has had its share; all who ask in one turn wait together. */
export const endOfTurn = (): Promise<void> => {
  turn ??= new Promise((resolve) => {
    setImmediate(() => {
      turn = null;
      resolve();
    });
  });
  return turn;
};
