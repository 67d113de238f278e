import { join } from 'node:path';
import { startEmbeddedPostgres } from '@cf/persistence';
import { createLogger, failStart, openLog, readPlatform, runApplication, stopOnSignal } from '@cf/service-kit';
import { AdminApi } from './demo/admin-api.js';
import { DemoModule } from './demo/demo.module.js';
import { seedDemo } from './demo/seed-demo.js';
import { welcome } from './demo/welcome.js';
import { services } from './services.js';

let logger = createLogger('standalone', 'info');
try {
  const settings = readPlatform({ port: 8080, needs: 'nothing' });
  logger = createLogger('standalone', settings.logLevel);
  const development = settings.nodeEnv === 'development';
  const postgres = settings.databaseUrl === '' ? await startEmbeddedPostgres({ dataDir: settings.dataDir }) : null;
  const platform = Object.create(settings, { databaseUrl: { value: postgres?.url ?? settings.databaseUrl } }) as typeof settings;
  const log = await openLog(platform, logger, 'standalone');
  const { address, stop } = await runApplication([...services, ...(development ? [DemoModule] : [])], platform, log, logger);
  stopOnSignal(logger, async () => {
    await stop();
    await log.close();
    await postgres?.stop();
  });
  if (development) {
    logger.warn(
      { allowedAddresses: platform.allowedAddresses },
      'development: customer endpoints on loopback and over plain http are allowed',
    );
    const demo = await seedDemo(new AdminApi(address, platform.operatorToken), platform.dataDir, `${address}/demo`);
    process.stdout.write(welcome(address, demo, join(platform.dataDir, 'operator-token')));
  } else {
    process.stdout.write(`Cloud Functions is ready on ${address}\n`);
  }
} catch (error) {
  failStart(logger, error);
}
