import { startService } from '@cf/service-kit';
import { ExecutionsModule } from './executions.module.js';

await startService({ name: 'executions', module: ExecutionsModule });
