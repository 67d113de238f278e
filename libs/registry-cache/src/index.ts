export * from './access.guard.js';
export { currentPrincipal } from './current-principal.js';
export * from './principal.js';
export * from './registry-cache.js';
export * from './registry-cache.module.js';
