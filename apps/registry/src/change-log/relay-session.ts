import type { Pool, PoolClient } from 'pg';
import { APPENDED_CHANNEL, PUBLISHED_CHANNEL } from './append-change.js';

/** Any fixed pair of numbers that no other lock of this database uses. */
const RELAY_LOCK = [0x6366, 1];

/**
 * The relay's own connection: it hears the hints, and the advisory lock that makes its process the one active relay lives as
 * long as it does.
 */
export class RelaySession {
  private ended = false;

  private constructor(
    private readonly client: PoolClient,
    private readonly onEnd: () => void,
  ) {
    client.on('error', () => this.end());
    client.on('end', () => this.end());
  }

  static async open(pool: Pool, hears: { appended(): void; published(changeId: string): void; ended(): void }): Promise<RelaySession> {
    const client = await pool.connect();
    const session = new RelaySession(client, hears.ended);
    client.on('notification', ({ channel, payload }) => {
      if (channel === APPENDED_CHANNEL) hears.appended();
      else if (channel === PUBLISHED_CHANNEL && payload !== undefined) hears.published(payload);
    });
    try {
      await client.query(`LISTEN ${APPENDED_CHANNEL}`);
      await client.query(`LISTEN ${PUBLISHED_CHANNEL}`);
    } catch (error) {
      session.close();
      throw error;
    }
    return session;
  }

  get alive(): boolean {
    return !this.ended;
  }

  async tryLead(): Promise<boolean> {
    const { rows } = await this.client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1, $2) AS locked', RELAY_LOCK);
    return rows[0]?.locked === true;
  }

  /** Rejects when the session, and with it the lock, is gone. */
  async ping(): Promise<void> {
    await this.client.query('SELECT 1');
  }

  /** Destroys the connection, and with it lock and subscriptions. */
  close(): void {
    this.end();
    this.client.release(true);
  }

  private end(): void {
    if (this.ended) return;
    this.ended = true;
    this.onEnd();
  }
}
