import { startService } from '@cf/service-kit';
import { InvokerModule } from './invoker.module.js';

await startService({ name: 'invoker', module: InvokerModule });
