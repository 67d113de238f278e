import { codeOf } from '@cf/persistence';

/** Classes of SQLSTATE: 22 values that are none, 23 rows that may not be. */
const REFUSED_DATA = /^2[23]/;

/** Whether what was noted is at fault, which would be so however often it is tried. */
export const isUndigestible = (error: unknown): boolean => {
  const code = codeOf(error);
  if (code !== undefined) return REFUSED_DATA.test(code);
  return error instanceof SyntaxError || error instanceof TypeError || error instanceof RangeError;
};
