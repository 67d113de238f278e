export * from './invoker.module.js';
