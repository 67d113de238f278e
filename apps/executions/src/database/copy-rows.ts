/**
 * `COPY … FROM STDIN` in its text format: about half of what `INSERT` costs Postgres, since nothing is parsed as JSON and no row is
 * answered. It has no `ON CONFLICT`: a row that is there already fails the whole transaction with `UNIQUE_VIOLATION`.
 */
import type { Connection, Submittable } from 'pg';
import type { EntityManager } from 'typeorm';
import { StatementRefused } from './statement-refused.js';

export const UNIQUE_VIOLATION = '23505';

export type CopyValue = string | number | boolean | null;

export interface CopyTarget<Row> {
  readonly table: string;
  readonly columns: readonly string[];
  values(row: Row): readonly CopyValue[];
}

const SPECIAL = /[\0\\\n\r\t]/;
const ESCAPES: Readonly<Record<string, string>> = { '\0': '\uFFFD', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Postgres refuses NUL and lone surrogates in text: customers' answers may hold both, and must not be lost for it. Writing UTF-8 replaces the latter. */
const copyText = (value: CopyValue): string => {
  if (value === null) return '\\N';
  if (typeof value !== 'string') return String(value);
  return SPECIAL.test(value) ? value.replace(/[\0\\\n\r\t]/g, (special) => ESCAPES[special] ?? special) : value;
};

export const copyLines = <Row>({ values }: CopyTarget<Row>, rows: readonly Row[]): string =>
  rows.map((row) => `${values(row).map(copyText).join('\t')}\n`).join('');

/** What of a connection the copy protocol takes; `@types/pg` leaves it out. */
interface CopyConnection extends Connection {
  endCopyFrom(): void;
}

/** Type, and length of itself and what follows. */
const HEADER_BYTES = 5;
const COPY_DATA = 'd'.charCodeAt(0);

/** Buffers of ended copies, as many as recording transactions; a new one for every batch is memory that has to be mapped and collected. */
const spares: Buffer[] = [];
const SPARES_MAX = 4;
const SPARE_BYTES_MAX = 4 * 1024 * 1024;

const spareBuffer = (bytes: number): Buffer => {
  const index = spares.findIndex(({ length }) => length >= bytes);
  return index >= 0 ? spares.splice(index, 1)[0]! : Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(bytes)));
};

const keepBuffer = (buffer: Buffer): void => {
  if (buffer.length > SPARE_BYTES_MAX) return;
  spares.unshift(buffer);
  spares.length = Math.min(spares.length, SPARES_MAX);
};

class CopyIn implements Submittable {
  private failure: Error | null = null;
  private buffer: Buffer | null = null;

  constructor(
    private readonly statement: string,
    private readonly lines: string,
    private readonly ended: (failure: Error | null) => void,
  ) {}

  submit(connection: Connection): void {
    connection.query(this.statement);
  }

  handleCopyInResponse(connection: CopyConnection): void {
    const bytes = HEADER_BYTES + Buffer.byteLength(this.lines);
    this.buffer = spareBuffer(bytes);
    this.buffer.writeUInt8(COPY_DATA, 0);
    this.buffer.writeUInt32BE(bytes - 1, 1);
    this.buffer.write(this.lines, HEADER_BYTES);
    connection.stream.write(this.buffer.subarray(0, bytes));
    connection.endCopyFrom();
  }

  handleCommandComplete(): void {}

  /** A refused statement is followed by `ReadyForQuery`; a lost connection by nothing. */
  handleError(error: Error & { code?: unknown }): void {
    this.failure = typeof error.code === 'string' ? new StatementRefused(error.code, error.message) : error;
    this.ended(this.failure);
  }

  handleReadyForQuery(): void {
    if (this.failure !== null) return;
    // Postgres has read all that was sent, which a refused copy does not wait for.
    if (this.buffer !== null) keepBuffer(this.buffer);
    this.ended(null);
  }
}

/** Adds rows in the transaction of this manager. */
export const copyRows = async <Row>(manager: EntityManager, target: CopyTarget<Row>, rows: readonly Row[]): Promise<void> => {
  if (rows.length === 0) return;
  const client = (await manager.queryRunner?.connect()) as { query(copy: Submittable): void };
  const lines = copyLines(target, rows);
  await new Promise<void>((resolve, reject) => {
    const statement = `COPY ${target.table} (${target.columns.join(', ')}) FROM STDIN`;
    client.query(new CopyIn(statement, lines, (failure) => (failure === null ? resolve() : reject(failure))));
  });
};
