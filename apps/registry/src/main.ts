import { startService } from '@cf/service-kit';
import { RegistryModule } from './registry.module.js';

await startService({ name: 'registry', module: RegistryModule });
