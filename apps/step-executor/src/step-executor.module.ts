import { Module } from '@nestjs/common';
import { RegistryCache, RegistryCacheModule } from '@cf/registry-cache';
import { PendingSteps } from './pending-steps.js';
import { StepReadBack } from './read-back.js';
import { readStepExecutorConfig, STEP_EXECUTOR_CONFIG, type StepExecutorConfig } from './step-executor.config.js';
import { StepExecutorGroup } from './step-executor.group.js';
import { StepInvocationRequestsPublisher } from './step-invocation-requests.publisher.js';
import { StepInvocationResultsConsumer } from './step-invocation-results.consumer.js';
import { StepMetrics } from './step-metrics.js';
import { StepRequestsConsumer } from './step-requests.consumer.js';
import { StepResultsPublisher } from './step-results.publisher.js';
import { StepTopicsCheck } from './step-topics.check.js';

const createPendingSteps = (
  config: StepExecutorConfig,
  registry: RegistryCache,
  requests: StepInvocationRequestsPublisher,
  results: StepResultsPublisher,
  metrics: StepMetrics,
): PendingSteps => {
  const steps = new PendingSteps(
    {
      configuration: ({ orgId, cloudFunctionId }) => ({
        organization: registry.organization(orgId),
        cloudFunction: registry.cloudFunction(orgId, cloudFunctionId),
        configOffset: registry.position,
      }),
      caughtUp: () => registry.caughtUp(),
      publishRequest: (request, place) => requests.publish(request, place),
      publishResult: (result, text, place) => results.publish(result, text, place),
      answered: (result) => metrics.answered(result),
      repeated: (how) => metrics.repeated(how),
      droppedLate: () => metrics.droppedLate(),
    },
    { answersWindowMs: config.STEP_RESULTS_WINDOW_MS, answersBytesMax: config.STEP_RESULTS_BYTES_MAX, pendingMax: config.STEP_PENDING_MAX },
  );
  metrics.observe(() => steps.size);
  return steps;
};

@Module({
  imports: [RegistryCacheModule.forRoot({ triggers: false })],
  controllers: [StepRequestsConsumer, StepInvocationResultsConsumer],
  providers: [
    { provide: STEP_EXECUTOR_CONFIG, useFactory: readStepExecutorConfig },
    {
      provide: PendingSteps,
      useFactory: createPendingSteps,
      inject: [STEP_EXECUTOR_CONFIG, RegistryCache, StepInvocationRequestsPublisher, StepResultsPublisher, StepMetrics],
    },
    StepExecutorGroup,
    StepInvocationRequestsPublisher,
    StepMetrics,
    StepReadBack,
    StepResultsPublisher,
    StepTopicsCheck,
  ],
})
export class StepExecutorModule {}
