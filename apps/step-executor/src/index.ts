export { StepExecutorModule } from './step-executor.module.js';
