import { hasPassed, msOf } from '../database/has-passed.js';

/** Whether nobody is sending a due row; `leaseMs` names the parameter of how long a lease is. */
export const leaseIsOver = (leaseMs: string): string => `(leased_until IS NULL OR ${hasPassed('leased_until', msOf(leaseMs))})`;
