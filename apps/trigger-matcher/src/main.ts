import { startService } from '@cf/service-kit';
import { TriggerMatcherModule } from './trigger-matcher.module.js';

await startService({ name: 'trigger-matcher', module: TriggerMatcherModule });
