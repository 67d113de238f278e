import { join } from 'node:path';
import { startEmbeddedPostgres } from '@cf/persistence';
import {
  describeDataDirError,
  exportTraces,
  openLog,
  type PlatformConfig,
  type Program,
  readPlatform,
  runApplication,
  runProgram,
} from '@cf/service-kit';
import { AdminApi } from './demo/admin-api.js';
import { DemoModule } from './demo/demo.module.js';
import { mayCallDemo } from './demo/may-call-demo.js';
import { seedDemo } from './demo/seed-demo.js';
import { welcome } from './demo/welcome.js';
import { services } from './services.js';

const startPostgres = async (settings: PlatformConfig, { logger, atEnd }: Program): Promise<PlatformConfig> => {
  if (settings.databaseUrl !== '') return settings;
  const starting = startEmbeddedPostgres({ dataDir: settings.dataDir, log: (message) => logger.warn(message) });
  // Before it runs: a start that is broken off must not leave a Postgres behind.
  atEnd(async () => (await starting.catch(() => null))?.stop());
  try {
    return settings.withDatabase((await starting).url);
  } catch (error) {
    throw describeDataDirError(error);
  }
};

await runProgram('standalone', async (program) => {
  const { logger, atEnd } = program;
  const settings = readPlatform({ port: 8080, needs: 'nothing' });
  logger.level = settings.logLevel;
  atEnd(exportTraces(settings, 'standalone'));
  const platform = await startPostgres(settings, program);
  const { allowedAddresses, allowHttp, nodeEnv } = platform;
  const hasDemo = nodeEnv === 'development' && mayCallDemo(platform);
  const log = await openLog(platform, logger, 'standalone');
  atEnd(() => log.close());
  const { address, stop } = await runApplication([...services, ...(hasDemo ? [DemoModule] : [])], platform, log, logger);
  atEnd(stop);
  if (nodeEnv === 'development') {
    logger.warn({ allowedAddresses, allowHttp }, 'development: customer endpoints may have these addresses besides public ones');
  }
  if (hasDemo) {
    const demo = await seedDemo(new AdminApi(address, platform.operatorToken), platform.dataDir, `${address}/demo`);
    process.stdout.write(welcome(address, demo, join(platform.dataDir, 'operator-token')));
  } else {
    process.stdout.write(`Cloud Functions is ready on ${address}\n`);
    if (nodeEnv === 'development')
      process.stdout.write(`No demo customer: ALLOW_HTTP and ALLOWED_ADDRESSES do not let ${address} be called.\n`);
  }
});
