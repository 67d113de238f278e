export * from './access.guard.js';
export * from './principal.js';
export * from './registry-cache.js';
export * from './registry-cache.module.js';
