import type { Database } from '@cf/persistence';
import { InvalidSettingsError, type KeyRing } from '@cf/service-kit';

/** `KeyRing.keyIdsIn` as Postgres has it. */
const SEALED_FIELD = '"sealed[A-Za-z]+":\\s*"([A-Za-z0-9_-]+)\\.';

/** Where secrets rest: the columns of each table that hold them, as one text. */
export const SEALED_COLUMNS = {
  registered_apis: `headers::text || "authorization"::text || tls::text`,
  cloud_functions: `signing::text`,
} as const;

const KEYS_IN_USE = `
  SELECT DISTINCT (regexp_matches(sealed, $1, 'g'))[1] AS id
    FROM (${Object.entries(SEALED_COLUMNS)
      .map(([table, columns]) => `SELECT ${columns} AS sealed FROM registry.${table}`)
      .join(' UNION ALL ')}) AS resources
   ORDER BY 1`;

/** Ids of the keys that secrets are sealed with. Reads every row. */
export const findKeysInUse = async (database: Database): Promise<string[]> =>
  (await database.query<{ id: string }>(KEYS_IN_USE, [SEALED_FIELD])).map(({ id }) => id);

/** Stops a start whose key ring lacks a key that secrets are sealed with (guarantees.md §6): every call that needs one would fail later. */
export const refuseMissingKeys = async (database: Database, keyRing: KeyRing): Promise<void> => {
  const missing = (await findKeysInUse(database)).filter((id) => !keyRing.has(id));
  if (missing.length === 0) return;
  throw new InvalidSettingsError([
    { name: 'ENCRYPTION_KEYS', detail: `lacks ${missing.join(', ')}, with which stored secrets are sealed` },
  ]);
};
