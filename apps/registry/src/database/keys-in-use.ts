import type { Database } from '@cf/persistence';
import { InvalidSettingsError, type KeyRing } from '@cf/service-kit';

/** The key id before the first dot of every sealed field; a quote inside a value is escaped, so that no value looks like a field. */
const SEALED_FIELD = '"sealed[A-Za-z]+":\\s*"([A-Za-z0-9_-]+)\\.';

const KEYS_IN_USE = `
  SELECT DISTINCT (regexp_matches(sealed, $1, 'g'))[1] AS id
    FROM (SELECT headers::text || "authorization"::text AS sealed FROM registry.registered_apis
          UNION ALL SELECT signing::text FROM registry.cloud_functions) AS resources`;

/** Stops a start whose key ring lacks a key that secrets are sealed with (guarantees.md §6): every call that needs one would fail later. */
export const refuseMissingKeys = async (database: Database, keyRing: KeyRing): Promise<void> => {
  const used = await database.query<{ id: string }>(KEYS_IN_USE, [SEALED_FIELD]);
  const missing = used.map(({ id }) => id).filter((id) => !keyRing.has(id));
  if (missing.length === 0) return;
  throw new InvalidSettingsError([
    { name: 'ENCRYPTION_KEYS', detail: `lacks ${missing.join(', ')}, with which stored secrets are sealed` },
  ]);
};
