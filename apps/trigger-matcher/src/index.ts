export { TriggerMatcherModule } from './trigger-matcher.module.js';
