const UNSTORABLE = /[\0\p{Surrogate}]/gu;

const storable = (_key: string, value: unknown): unknown => (typeof value === 'string' ? value.replace(UNSTORABLE, '\uFFFD') : value);

/** JSON for Postgres, which refuses NUL and lone surrogates in text: customers' answers may hold both, and must not be lost for it. */
export const storableJson = (value: unknown): string => JSON.stringify(value, storable);
