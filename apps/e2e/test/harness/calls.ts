import { setTimeout as pause } from 'node:timers/promises';
import type { CustomerEndpoint } from '@cf/testing';

/** How often each id was called: the endpoint's own log is the witness, not the product's. */
export const countCalls = (
  endpoint: CustomerEndpoint,
  path: string,
  idOf: (body: Record<string, string>) => string | undefined,
): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const { body } of endpoint.callsTo(path)) {
    const id = idOf(JSON.parse(body.toString()) as Record<string, string>);
    if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
};

export const repeatedCalls = (counts: ReadonlyMap<string, number>): number =>
  [...counts.values()].reduce((sum, count) => sum + count - 1, 0);

/** Asks again while the other side is away, as a platform's client does. */
export const persistently = async <T>(ask: () => Promise<T>, isAnswer: (answer: T) => boolean, timeoutMs = 60_000): Promise<T> => {
  const giveUpAt = Date.now() + timeoutMs;
  for (;;) {
    try {
      const answer = await ask();
      if (isAnswer(answer)) return answer;
      if (Date.now() > giveUpAt) throw new Error(`no answer: ${JSON.stringify(answer)}`);
    } catch (error) {
      if (Date.now() > giveUpAt) throw error;
    }
    await pause(200);
  }
};
