import { ExecutionsModule } from '@cf/executions';
import { GatewayModule } from '@cf/gateway';
import { InvokerModule } from '@cf/invoker';
import { RegistryModule } from '@cf/registry';
import { StepExecutorModule } from '@cf/step-executor';
import { TriggerMatcherModule } from '@cf/trigger-matcher';

/** All services of the product; standalone runs them in one process. */
export const services = [RegistryModule, TriggerMatcherModule, StepExecutorModule, InvokerModule, ExecutionsModule, GatewayModule];
