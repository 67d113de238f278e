import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@cf/persistence';
import pg from 'pg';

/** A server's settings as deploy/README.md gives them, where the embedded Postgres has those of a developer's machine. */
const SETTINGS = {
  shared_buffers: '2GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '15min',
  // For the indexes of the fill.
  maintenance_work_mem: '1GB',
};

export interface BenchPostgres {
  readonly url: string;
  /** Writes out what a fill left in memory, so that it is not written while something is measured. */
  checkpoint(): Promise<void>;
  stop(): Promise<void>;
}

export const startBenchPostgres = async (dataDir: string): Promise<BenchPostgres> => {
  const postgres = await startEmbeddedPostgres({ dataDir, settings: SETTINGS });
  const url = new URL(postgres.url);
  return {
    url: postgres.url,
    checkpoint: async () => {
      const password = readFileSync(join(dataDir, 'postgres.password'), 'utf8').trim();
      const administrator = new pg.Client({ host: url.hostname, port: Number(url.port), user: 'postgres', password });
      await administrator.connect();
      try {
        await administrator.query('CHECKPOINT');
      } finally {
        await administrator.end();
      }
    },
    stop: () => postgres.stop(),
  };
};
