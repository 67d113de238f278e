import { type DynamicModule, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { MESSAGE_LOG, type MessageLog } from '@cf/messaging';
import type { Logger } from 'pino';
import { AuditTrail } from './audit-trail.js';
import { Health } from './health.js';
import { LOGGER } from './logger.js';
import { Metrics } from './metrics.js';
import { DocumentsController } from './openapi/documents.controller.js';
import { OperationsController } from './operations.controller.js';
import { PLATFORM, type PlatformConfig } from './platform.config.js';

/** What every service finds around it, the same objects for all services of one process. */
@Module({})
export class PlatformModule {
  static around(platform: PlatformConfig, log: MessageLog, logger: Logger): DynamicModule {
    const health = new Health();
    health.register('log', () => log.status());
    return {
      module: PlatformModule,
      global: true,
      imports: [DiscoveryModule],
      controllers: [OperationsController, DocumentsController],
      providers: [
        { provide: PLATFORM, useValue: platform },
        { provide: MESSAGE_LOG, useValue: log },
        { provide: LOGGER, useValue: logger },
        { provide: Health, useValue: health },
        { provide: Metrics, useValue: new Metrics() },
        AuditTrail,
      ],
      exports: [PLATFORM, MESSAGE_LOG, LOGGER, Health, Metrics, AuditTrail],
    };
  }
}
