import { join } from 'node:path';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '@cf/persistence';
import { createLogger, failStart, openLog, type PlatformConfig, readPlatform, runApplication, stopOnSignal } from '@cf/service-kit';
import { AdminApi } from './demo/admin-api.js';
import { DemoModule } from './demo/demo.module.js';
import { seedDemo } from './demo/seed-demo.js';
import { welcome } from './demo/welcome.js';
import { services } from './services.js';

let logger = createLogger('standalone', 'info');
let postgres: EmbeddedPostgres | null = null;

const startPostgres = async (settings: PlatformConfig): Promise<PlatformConfig> => {
  if (settings.databaseUrl !== '') return settings;
  postgres = await startEmbeddedPostgres({ dataDir: settings.dataDir, log: (message) => logger.warn(message) });
  return settings.withDatabase(postgres.url);
};

try {
  const settings = readPlatform({ port: 8080, needs: 'nothing' });
  logger = createLogger('standalone', settings.logLevel);
  const platform = await startPostgres(settings);
  const development = platform.nodeEnv === 'development';
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
  await (postgres as EmbeddedPostgres | null)?.stop();
  failStart(logger, error);
}
