import { createHash, randomUUID } from 'node:crypto';
import pg from 'pg';

const DAY_MS = 24 * 60 * 60_000;
/** Spread over the default retention, in the order of time, as they are recorded. */
const DAYS = 30;
/** Attempts are filled for the newest days only: a search in responses reads no others here. */
const DAYS_OF_ATTEMPTS = 2;
const CHUNK = 250_000;
/** One statement takes one core. */
const AT_ONCE = 2;

/** Every hundred thousandth execution belongs to a chat of three. */
export const RARE_CHAT_EVERY = 100_000;

/**
 * Executions as a busy customer has them, made by Postgres: nine of ten belong to one organization, 200 functions of which a few get most calls,
 * 97 % succeeded, three steps for two triggers, chats of 20. One of a million failed by TLS.
 */
const INSERT = `
  INSERT INTO executions.executions (invocation_id, org_id, kind, test, status, seq, next_attempt, by_result, attempt_count, cloud_function_id, trigger_id,
    event_id, event_type, chat_id, request_id, bot_execution_id, chat_bot_id, chat_bot_name, chat_bot_type, step_name, step_id,
    save_value_to_attribute, failure_branch, branch_kind, branch_option, branch_reason, return_value, failure_reason, http_status,
    duration_ms, completed_at, accepted_at, created_at)
  SELECT md5('invocation' || n)::uuid, CASE WHEN n % 10 = 0 THEN $3::uuid ELSE $2::uuid END, CASE WHEN step THEN 'step' ELSE 'trigger' END, n % 1000 IN (501, 503),
    CASE WHEN n % 100 < 97 THEN 'succeeded' WHEN n % 100 = 99 THEN 'retrying' WHEN step THEN 'failed' ELSE 'dead_lettered' END,
    1, 2, true, 1, functions.id, CASE WHEN step THEN NULL ELSE triggers.id END,
    CASE WHEN step THEN NULL ELSE md5('event' || n)::uuid::text END, CASE WHEN step THEN NULL ELSE (ARRAY['ChatOpened','ChatEnded','MessagePosted','ChatArchived'])[n % 4 + 1] END,
    CASE WHEN n % ${RARE_CHAT_EVERY} BETWEEN 1 AND 3 THEN md5('rare chat' || n / ${RARE_CHAT_EVERY})::uuid::text ELSE md5('chat' || n / 20)::uuid::text END,
    CASE WHEN step THEN md5('request' || n)::uuid::text END, CASE WHEN step THEN md5('bot' || n)::uuid::text END,
    CASE WHEN step THEN md5('chatbot' || n % 50)::uuid::text END, CASE WHEN step THEN 'Appointment Scheduler' END, CASE WHEN step THEN 'LiveChat' END,
    CASE WHEN step THEN 'Look up patient' END, CASE WHEN step THEN 'step-' || n % 100 END, CASE WHEN step THEN 'AppointmentState' END, CASE WHEN step THEN true END,
    CASE WHEN step THEN 'option' END, CASE WHEN step THEN 'Scheduled' END, CASE WHEN step THEN 'matched' END, CASE WHEN step THEN 'Scheduled' END,
    CASE WHEN n % 1000000 = 999999 THEN 'tls' WHEN n % 100 >= 97 THEN (ARRAY['http_status','timeout','connection'])[n % 3 + 1] END,
    CASE WHEN n % 100 < 97 THEN 200 WHEN n % 3 = 0 THEN 500 END, 20 + 400 * power(random(), 8) * 50, at + interval '200 ms', at, at
  FROM (SELECT n, n % 5 < 3 AS step, $1::timestamptz + n * make_interval(secs => $4::float8) AS at, floor(200 * power(random(), 3)) AS function,
          floor(500 * power(random(), 3)) AS trigger FROM generate_series($5::bigint, $6::bigint) AS n) AS numbered
  JOIN (SELECT number, md5('function' || number)::uuid AS id FROM generate_series(0, 199) AS number) AS functions ON functions.number = function
  JOIN (SELECT number, md5('trigger' || number)::uuid AS id FROM generate_series(0, 499) AS number) AS triggers ON triggers.number = trigger
  ORDER BY numbered.n`;

const INSERT_ATTEMPTS = `
  INSERT INTO executions.attempts (attempt_id, invocation_id, org_id, seq, number, origin, started_at, duration_ms, http_status, failure_reason,
    request_headers, response_headers, response_body, response_truncated)
  SELECT md5('attempt' || invocation_id)::uuid, invocation_id, org_id, 0, 1, 'automatic', created_at, duration_ms, http_status, failure_reason,
    '{"content-type":"application/json; charset=utf-8"}', '{"content-type":"application/json"}',
    '{"returnValue":"Scheduled","note":"' || md5(invocation_id::text) || ' of the patient","pad":"' || repeat('x', 200) || '"}', false
  FROM executions.executions WHERE created_at >= $1`;

/** Random values leave the leaves of their indexes about so full; built anew they would be fuller and the next rows cheaper to split. */
const KEY_FILLFACTOR = 70;
/** As the migration gives it. */
const ROWS_FILLFACTOR = 80;

const asUuid = (hex: string): string => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

/** Fills the real table. Indexes are taken off meanwhile and made again as they were: ten times as fast. */
export class ExecutionsFill {
  readonly orgId = randomUUID();
  readonly otherOrgId = randomUUID();
  private readonly startMs = Date.now() - DAYS * DAY_MS;
  private filled = 0;

  constructor(
    private readonly databaseUrl: string,
    /** Rows that there will be at last. */
    private readonly rowsMax: number,
  ) {}

  /** The id that the SQL above makes for this kind of thing and number. */
  idOf(kind: string, number: number): string {
    return asUuid(createHash('md5').update(`${kind}${number}`).digest('hex'));
  }

  /** Adds rows, newer than those before, until there are so many. */
  async growTo(rows: number): Promise<void> {
    if (rows <= this.filled) return;
    const startedAt = performance.now();
    const stepSeconds = (DAYS * DAY_MS) / 1_000 / this.rowsMax;
    const chunks: (readonly [number, number])[] = [];
    for (let from = this.filled; from < rows; from += CHUNK) chunks.push([from, Math.min(from + CHUNK, rows) - 1]);
    await this.withClients(1, async (client) => {
      // Full pages: the vacuum below would offer what is left of each to the rows that are measured, one row in one old page.
      await client.query(`ALTER TABLE executions.executions DISABLE TRIGGER USER, SET (autovacuum_enabled = off, fillfactor = 100)`);
      const { rows: indexes } = await client.query<{ name: string; definition: string }>(
        `SELECT indexname AS name, indexdef AS definition FROM pg_indexes
         WHERE schemaname = 'executions' AND tablename = 'executions' AND indexname <> 'executions_pkey'`,
      );
      for (const { name } of indexes) await client.query(`DROP INDEX executions.${name}`);
      await client.query('ALTER TABLE executions.executions DROP CONSTRAINT executions_pkey');
      await this.withClients(AT_ONCE, async (one) => {
        for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift())
          await one.query(INSERT, [new Date(this.startMs).toISOString(), this.orgId, this.otherOrgId, stepSeconds, ...chunk]);
      });
      const filledAt = performance.now();
      const definitions = indexes.map(({ definition }) => definition);
      await this.withClients(AT_ONCE, async (one) => {
        for (let definition = definitions.shift(); definition !== undefined; definition = definitions.shift()) await one.query(definition);
      });
      await client.query(`ALTER TABLE executions.executions ADD PRIMARY KEY (invocation_id) WITH (fillfactor = ${KEY_FILLFACTOR})`);
      await client.query(
        `ALTER TABLE executions.executions ENABLE TRIGGER USER, RESET (autovacuum_enabled), SET (fillfactor = ${ROWS_FILLFACTOR})`,
      );
      const indexedAt = performance.now();
      await client.query('VACUUM (ANALYZE) executions.executions');
      const seconds = [filledAt - startedAt, indexedAt - filledAt, performance.now() - indexedAt].map((ms) => Math.round(ms / 1_000));
      process.stdout.write(
        `  filled to ${rows} rows: ${seconds[0]} s for rows, ${seconds[1]} s for indexes, ${seconds[2]} s for statistics\n`,
      );
    });
    this.filled = rows;
  }

  /** The attempts of the newest days. */
  async addAttempts(): Promise<void> {
    await this.withClients(1, async (client) => {
      const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
      for (let back = DAYS_OF_ATTEMPTS + 1; back > 1; back--) {
        const atMs = Date.now() - back * DAY_MS;
        await client.query(
          `CREATE TABLE IF NOT EXISTS executions.attempts_${day(atMs).replaceAll('-', '')} PARTITION OF executions.attempts FOR VALUES FROM ('${day(atMs)}T00:00:00Z') TO ('${day(atMs + DAY_MS)}T00:00:00Z')`,
        );
      }
      await client.query(INSERT_ATTEMPTS, [new Date(Date.now() - DAYS_OF_ATTEMPTS * DAY_MS).toISOString()]);
      await client.query('ANALYZE executions.attempts');
    });
  }

  private async withClients(count: number, work: (client: pg.Client) => Promise<void>): Promise<void> {
    await Promise.all(
      Array.from({ length: count }, async () => {
        const client = new pg.Client(this.databaseUrl);
        await client.connect();
        try {
          await work(client);
        } finally {
          await client.end();
        }
      }),
    );
  }
}
