import { startService } from '@cf/service-kit';
import { StepExecutorModule } from './step-executor.module.js';

await startService({ name: 'step-executor', module: StepExecutorModule });
