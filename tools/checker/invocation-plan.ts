/**
 * What the load of an invokers run asks for, told by a number alone, so that load, endpoint and checker need not speak: number n is a
 * trigger of event n ÷ 3, one of three functions that listen to it. Eight events of a chat come in a row, so that order matters.
 */
export const FUNCTIONS = 3;
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

const chatOf = (number: number): number => Math.floor(number / (FUNCTIONS * EVENTS_IN_A_ROW)) % CHATS;
export const chatIdOf = (number: number): string => `c0000000-0000-4000-8000-${hex(chatOf(number))}`;
export const functionOf = (number: number): number => number % FUNCTIONS;

export const ORDER_KEYS = CHATS * FUNCTIONS;
/** First attempts of one function and one chat come one at a time, as they lie in the log (guarantees.md §4). */
export const orderKeyOf = (number: number): number => chatOf(number) * FUNCTIONS + functionOf(number);
