import { Module } from '@nestjs/common';
import { type Lane } from '@cf/contract';
import { RegistryCacheModule } from '@cf/registry-cache';
import { ConnectionTestsController } from './connection-tests/connection-tests.controller.js';
import { connectionTestsProvider } from './connection-tests/connection-tests.provider.js';
import { DIALING, dialingProvider } from './dialing.provider.js';
import { StepInvocationRequestsConsumer, TriggerInvocationRequestsConsumer } from './invocation-requests.consumer.js';
import { InvokerMetrics } from './invoker-metrics.js';
import { INVOKER_CONFIG, type InvokerConfig, readInvokerConfig } from './invoker.config.js';
import { laneProviders } from './lane.providers.js';
import { MissingKeys } from './missing-keys.js';
import { AskedPauses } from './limits/asked-pauses.js';
import { TriggerVerdicts } from './limits/trigger-verdicts.js';
import { accessTokensProvider } from './oauth/access-tokens.provider.js';
import { AccessTokens } from './oauth/access-tokens.js';
import { RecentSteps } from './once/recent-steps.js';
import { SeenOffsets } from './once/seen-offsets.js';
import { StepLaneGroup } from './step-lane.group.js';
import { TriggerLaneGroup } from './trigger-lane.group.js';

@Module({
  imports: [RegistryCacheModule.forRoot({ triggers: false })],
  controllers: [ConnectionTestsController],
  providers: [
    { provide: INVOKER_CONFIG, useFactory: () => readInvokerConfig() },
    AskedPauses,
    TriggerVerdicts,
    InvokerMetrics,
    MissingKeys,
    dialingProvider,
    accessTokensProvider,
    connectionTestsProvider,
  ],
  exports: [
    RegistryCacheModule.forRoot({ triggers: false }),
    INVOKER_CONFIG,
    AskedPauses,
    TriggerVerdicts,
    InvokerMetrics,
    AccessTokens,
    DIALING,
  ],
})
class InvokerPartsModule {}

@Module({
  imports: [InvokerPartsModule],
  controllers: [StepInvocationRequestsConsumer],
  providers: [...laneProviders('step'), StepLaneGroup, RecentSteps],
})
class StepLaneModule {}

@Module({
  imports: [InvokerPartsModule],
  controllers: [TriggerInvocationRequestsConsumer],
  providers: [
    ...laneProviders('trigger'),
    TriggerLaneGroup,
    {
      provide: SeenOffsets,
      useFactory: ({ duplicateWindow: { ms, records } }: InvokerConfig) => new SeenOffsets(records, ms),
      inject: [INVOKER_CONFIG],
    },
  ],
})
class TriggerLaneModule {}

const laneModules: Readonly<Record<Lane, typeof StepLaneModule | typeof TriggerLaneModule>> = {
  step: StepLaneModule,
  trigger: TriggerLaneModule,
};

/** A setting that cannot be read is named when the application starts; until then nothing is left out because of it. */
const chosenLanes = (): readonly Lane[] => {
  try {
    return readInvokerConfig().lanes;
  } catch {
    return ['step', 'trigger'];
  }
};

/** The service that calls customers' endpoints. A lane that is not chosen (`INVOKER_LANES`) has no consumer and no connections. */
@Module({ imports: chosenLanes().map((lane) => laneModules[lane]) })
export class InvokerModule {}
