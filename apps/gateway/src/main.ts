import { startService } from '@cf/service-kit';
import { GatewayModule } from './gateway.module.js';

await startService({ name: 'gateway', module: GatewayModule });
