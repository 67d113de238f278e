/**
 * What the load of an invokers run asks for, told by a number alone, so that load, endpoint and checker need not speak: number n is a
 * trigger of event n ÷ 3, one of three functions that listen to it. Eight events of a chat come in a row, so that order matters. Now and then
 * events for one more function come in a burst: its calls are slow, so that it gets more than it may hold and the rest is deferred.
 */
export const FUNCTIONS = 3;
/** Calls of 3 s or more hold a function to its quota; a burst is twice what these chats, one call at a time, work off in 30 s. */
export const SLOW = { cloudFunction: FUNCTIONS, callMs: 3_500, burst: 128, every: 20_000, first: 200, chats: 8 } as const;
const EVENTS_IN_A_ROW = 8;
const CHATS = 1_000;

const hex = (number: number): string => number.toString(16).padStart(12, '0');

export type Lane = 'trigger' | 'step';
const PREFIX = { trigger: 'e0000000-0000-4000-8000-', step: '5e000000-0000-4000-8000-' } as const;

/** The id under which a trigger or a step is asked for. */
export const idOf = (lane: Lane, number: number): string => `${PREFIX[lane]}${hex(number)}`;
export const numberOf = (id: string): number => parseInt(id.slice(-12), 16);

/** Finds such an id in the body of a call. */
export const findId = (body: string): { readonly lane: Lane; readonly number: number } | null => {
  const [, prefix, digits = ''] = /(5e|e0)000000-0000-4000-8000-([0-9a-f]{12})/.exec(body) ?? [];
  return prefix === undefined ? null : { lane: prefix === 'e0' ? 'trigger' : 'step', number: parseInt(digits, 16) };
};

export const isSlow = (number: number): boolean => {
  const place = (number % SLOW.every) - SLOW.first;
  return place >= 0 && place < SLOW.burst;
};
const chatOf = (number: number): number =>
  isSlow(number) ? CHATS + (number % SLOW.chats) : Math.floor(number / (FUNCTIONS * EVENTS_IN_A_ROW)) % CHATS;
export const chatIdOf = (number: number): string => `c0000000-0000-4000-8000-${hex(chatOf(number))}`;
export const functionOf = (number: number): number => (isSlow(number) ? SLOW.cloudFunction : number % FUNCTIONS);

export const ORDER_KEYS = (CHATS + SLOW.chats) * (FUNCTIONS + 1);
/** First attempts of one function and one chat come one at a time, as they lie in the log (guarantees.md §4). */
export const orderKeyOf = (number: number): number => chatOf(number) * (FUNCTIONS + 1) + functionOf(number);
