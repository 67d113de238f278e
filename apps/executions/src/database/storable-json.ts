const UNSTORABLE = /[\0\p{Surrogate}]/gu;
/** How `JSON.stringify` writes what cannot be stored. */
const ESCAPED = /\\u(?:0000|d[89a-f])/;

const storable = (_key: string, value: unknown): unknown => (typeof value === 'string' ? value.replace(UNSTORABLE, '\uFFFD') : value);

/** JSON for Postgres, which refuses NUL and lone surrogates in text: customers' answers may hold both, and must not be lost for it. */
export const storableJson = (value: unknown): string => {
  const json = JSON.stringify(value);
  return ESCAPED.test(json) ? JSON.stringify(value, storable) : json;
};
