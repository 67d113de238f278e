export * from './errors.js';
export * from './log.js';
export * from './parallel-consumer-options.js';
export * from './partition-for-key.js';
