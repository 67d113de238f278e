import { createTestDatabase, describeMessageLog } from '@cf/testing';
import { EmbeddedLog } from '@cf/messaging';

const openOn = async (connectionString: string): Promise<EmbeddedLog> => {
  const log = EmbeddedLog.onPostgres({ connectionString });
  await log.start();
  return log;
};

describeMessageLog('EmbeddedLog on Postgres', async () => {
  const database = await createTestDatabase();
  let open = await openOn(database.url);
  return {
    log: async () => open,
    reopened: async () => {
      await open.close();
      open = await openOn(database.url);
      return open;
    },
    dispose: async () => {
      await open.close();
      await database.drop();
    },
  };
});
