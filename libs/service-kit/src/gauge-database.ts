import type { Database } from '@cf/persistence';
import type { Metrics } from './metrics.js';

const databases = new WeakMap<Metrics, Map<string, Database>>();

/** Shows the connections of a database's pool, under the name of its schema. */
export const gaugeDatabase = (metrics: Metrics, schema: string, database: Database): void => {
  const known = databases.get(metrics) ?? new Map<string, Database>();
  known.set(schema, database);
  if (databases.has(metrics)) return;
  databases.set(metrics, known);
  metrics.gauge('cf_database_connections', 'Connections of a database pool, and who waits for one', ['schema', 'state'], (gauge) => {
    for (const [name, { connections }] of known) {
      gauge.set({ schema: name, state: 'busy' }, connections.total - connections.idle);
      gauge.set({ schema: name, state: 'idle' }, connections.idle);
      gauge.set({ schema: name, state: 'waiting' }, connections.waiting);
    }
  });
};
