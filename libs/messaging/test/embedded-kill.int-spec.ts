import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Readable } from 'node:stream';
import { EmbeddedLog, type LogRecord } from '@cf/messaging';
import { createTestDatabase, eventually, type TestDatabase } from '@cf/testing';

const TOPIC = 'numbers';
const pathOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

class PublishingChild {
  private printed = '';
  private readonly child: ChildProcessByStdio<null, Readable, null>;

  constructor(url: string, from: number) {
    const runSource = [
      '--import',
      pathOf('../../../tools/from-source.mjs'),
      '--conditions=@cf/source',
      '--disable-warning=ExperimentalWarning',
    ];
    this.child = spawn(process.execPath, [...runSource, pathOf('publishing-child.ts'), url, TOPIC, String(from)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.child.stdout.on('data', (text: Buffer) => (this.printed += text.toString()));
  }

  acknowledged(): number[] {
    return this.printed.split('\n').slice(0, -1).map(Number);
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await once(this.child, 'close');
  }
}

describe('a process that is killed while it publishes', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  it('loses nothing that was acknowledged, keeps the order, and gives no offset twice, however often it happens', async () => {
    const acknowledged: number[] = [];
    for (let round = 0; round < 4; round++) {
      const child = new PublishingChild(database.url, round * 1_000_000);
      // Killed at another moment of its work each time.
      await eventually(() => expect(child.acknowledged().length).toBeGreaterThan(500 * (round + 1)), 30_000);
      await child.kill();
      acknowledged.push(...child.acknowledged());
    }

    const log = EmbeddedLog.onPostgres({ connectionString: database.url });
    await log.start();
    const records: LogRecord[] = [];
    const reader = log.read({ topic: TOPIC, from: 'beginning', onRecords: (_, delivered) => records.push(...delivered) });
    await reader.reached(await log.endOffsets(TOPIC), 30_000);
    await log.close();

    const present = records.map(({ value }) => Number(value));
    expect(new Set(present).size).toBe(present.length);
    const known = new Set(present);
    expect(acknowledged.filter((value) => !known.has(value))).toEqual([]);
    for (const partition of [0, 1]) {
      const inPartition = records.filter((record) => record.partition === partition);
      expect(inPartition.map(({ offset }) => offset)).toEqual(inPartition.map((_, index) => index));
      const values = inPartition.map(({ value }) => Number(value));
      expect(values).toEqual([...values].sort((a, b) => a - b));
    }
  });
});
