/**
 * A process that owns an embedded Postgres until it is killed or its parent is gone: `own-postgres.ts <DATA_DIR>`; prints its address, or why
 * there is none.
 */
import { startEmbeddedPostgres } from '../src/embedded-postgres.js';

const [, , dataDir = ''] = process.argv;
try {
  const { url } = await startEmbeddedPostgres({ dataDir });
  process.stdout.write(`${JSON.stringify({ url })}\n`);
  process.stdin.resume().on('end', () => process.exit());
} catch (error) {
  process.stdout.write(`${JSON.stringify({ error: (error as Error).message })}\n`);
  process.exitCode = 1;
}
