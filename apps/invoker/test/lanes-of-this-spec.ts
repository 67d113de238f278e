/** Set before the module is loaded, as an environment is. */
export const LANES = (process.env.INVOKER_LANES = 'trigger');
