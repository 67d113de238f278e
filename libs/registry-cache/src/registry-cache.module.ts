import { type DynamicModule, Injectable, Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { AccessTrail } from './access-trail.js';
import { OperatorGuard, TenantGuard } from './access.guard.js';
import { CurrentPrincipalInterceptor } from './current-principal.js';
import { RegistryCache } from './registry-cache.js';

/** One cache per process, however many services share it. */
@Module({
  providers: [RegistryCache, AccessTrail, TenantGuard, OperatorGuard, { provide: APP_INTERCEPTOR, useClass: CurrentPrincipalInterceptor }],
  exports: [RegistryCache, AccessTrail, TenantGuard, OperatorGuard],
})
class SingleRegistryCacheModule {}

@Injectable()
class TriggersIncluded {
  constructor(cache: RegistryCache) {
    cache.includeTriggers();
  }
}

@Module({ imports: [SingleRegistryCacheModule], exports: [SingleRegistryCacheModule] })
class WithoutTriggersModule {}

@Module({ imports: [SingleRegistryCacheModule], providers: [TriggersIncluded], exports: [SingleRegistryCacheModule] })
class WithTriggersModule {}

/** Imported by every service; `triggers: true` by those that need triggers too (1,000,000 of them cost memory). */
export class RegistryCacheModule {
  static forRoot({ triggers }: { triggers: boolean }): DynamicModule {
    return { module: triggers ? WithTriggersModule : WithoutTriggersModule };
  }
}
