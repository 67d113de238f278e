import { Module } from '@nestjs/common';
import { RegistryCacheModule } from '@cf/registry-cache';
import { ChatEventsConsumer } from './chat-events.consumer.js';
import { MatcherMetrics } from './matcher-metrics.js';
import { TriggerInvocationsPublisher } from './trigger-invocations.publisher.js';
import { readTriggerMatcherConfig, TRIGGER_MATCHER_CONFIG } from './trigger-matcher.config.js';
import { TriggerMatcherGroup } from './trigger-matcher.group.js';

@Module({
  imports: [RegistryCacheModule.forRoot({ triggers: true })],
  controllers: [ChatEventsConsumer],
  providers: [
    { provide: TRIGGER_MATCHER_CONFIG, useFactory: readTriggerMatcherConfig },
    MatcherMetrics,
    TriggerInvocationsPublisher,
    TriggerMatcherGroup,
  ],
})
export class TriggerMatcherModule {}
