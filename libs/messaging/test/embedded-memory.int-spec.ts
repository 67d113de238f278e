import { describeMessageLog } from '@cf/testing';
import { EmbeddedLog, MemoryStorage } from '@cf/messaging';

const openOn = async (storage: MemoryStorage): Promise<EmbeddedLog> => {
  const log = new EmbeddedLog(storage);
  await log.start();
  return log;
};

describeMessageLog('EmbeddedLog in memory', async () => {
  const storage = new MemoryStorage();
  let open = await openOn(storage);
  return {
    log: async () => open,
    reopened: async () => {
      await open.close();
      open = await openOn(storage);
      return open;
    },
    dispose: () => open.close(),
  };
});
