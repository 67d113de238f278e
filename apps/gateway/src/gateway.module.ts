import { Module } from '@nestjs/common';
import { idempotencyKeysIn } from '@cf/idempotency';
import { RegistryCacheModule } from '@cf/registry-cache';
import { ChatEventsController } from './chat-events.controller.js';
import { ChatEventsPublisher } from './chat-events.publisher.js';
import { GatewayDatabase } from './gateway-database.js';
import { GATEWAY_CONFIG, readGatewayConfig } from './gateway.config.js';
import { StepExecutionsController } from './step-executions.controller.js';
import { StepRequestsPublisher } from './step-requests.publisher.js';
import { StepResultsReader } from './step-results.reader.js';

@Module({
  imports: [RegistryCacheModule.forRoot({ triggers: false })],
  controllers: [ChatEventsController, StepExecutionsController],
  providers: [
    { provide: GATEWAY_CONFIG, useFactory: readGatewayConfig },
    GatewayDatabase,
    idempotencyKeysIn(GatewayDatabase),
    ChatEventsPublisher,
    StepRequestsPublisher,
    StepResultsReader,
  ],
})
export class GatewayModule {}
