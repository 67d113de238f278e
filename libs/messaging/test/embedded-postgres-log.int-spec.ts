import { createTestDatabase, describeMessageLog } from '@cf/testing';
import { EmbeddedLog, type EmbeddedLogOptions, type PostgresStorageOptions } from '@cf/messaging';

const describeOnPostgres = (name: string, options: EmbeddedLogOptions & Omit<PostgresStorageOptions, 'connectionString'>): void =>
  describeMessageLog(name, async () => {
    const database = await createTestDatabase();
    const openNew = async (): Promise<EmbeddedLog> => {
      const log = EmbeddedLog.onPostgres({ connectionString: database.url, ...options });
      await log.start();
      return log;
    };
    let open = await openNew();
    return {
      log: async () => open,
      reopened: async () => {
        await open.close();
        open = await openNew();
        return open;
      },
      dispose: async () => {
        await open.close();
        await database.drop();
      },
    };
  });

describeOnPostgres('EmbeddedLog on Postgres', {});
describeOnPostgres('EmbeddedLog on Postgres that keeps nothing in memory, over many small segments', {
  recentBytesMax: 0,
  segment: { bytesMax: 20_000, ageMaxMs: 60_000 },
});
