/** Nest token of the registry's `Database`. */
export const REGISTRY_DATABASE = Symbol('REGISTRY_DATABASE');
