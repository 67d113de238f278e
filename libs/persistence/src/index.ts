export { buildIndex, dropIndex } from './build-index.js';
export { Database, type DatabaseOptions, createDatabase } from './database.js';
export { codeOf, DatabaseError, describeDatabaseError } from './database-error.js';
export { EmbeddedPostgres, type EmbeddedPostgresOptions, startEmbeddedPostgres } from './embedded-postgres.js';
export { makeFolder } from './make-folder.js';
export { SYSTEM_ROLE, TENANT_ROLE } from './roles.js';
export { enableRowLevelSecurity } from './row-level-security.js';
