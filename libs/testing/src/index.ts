export * from './eventually.js';
export * from './test-database.js';
export * from './test-kafka.js';
export * from './message-log.conformance.js';
export * from './recording-member.js';
export * from './customer-endpoint.js';
export * from './test-certificate.js';
export * from './test-service.js';
export { contentOf, numbered, publishAll } from './log-fixture.js';
