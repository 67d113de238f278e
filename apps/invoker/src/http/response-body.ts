import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw, type Zlib } from 'node:zlib';
import type { Transform } from 'node:stream';
import { RESPONSE_BODY_BYTES_MAX, RESPONSE_WIRE_BYTES_MAX } from '@cf/contract';

/**
 * The body of one answer, decoded while it comes.
 * - `whole`: all of it.
 * - `too_large`: cut, at 64 KiB decoded or 1 MiB on the wire; the rest is not waited for.
 * - `unknown_encoding`: as it came, in a coding that we do not know or in several (its first 64 KiB).
 * - `undecodable`: it is not what Content-Encoding says.
 * - `broken_off`: what had come when the exchange failed.
 */
export interface ReadBody {
  readonly state: 'whole' | 'too_large' | 'unknown_encoding' | 'undecodable' | 'broken_off';
  readonly bytes: Buffer;
}

export const NO_BODY: ReadBody = { state: 'whole', bytes: Buffer.alloc(0) };

type Decoder = Transform & Zlib;

/** `deflate` means a zlib stream, and raw deflate for servers that never knew: the first two bytes of zlib say which. */
const inflate = (first: Buffer): Decoder => {
  const [cmf = 0, flg] = first;
  const zlib = (cmf & 0x0f) === 8 && (flg === undefined || ((cmf << 8) | flg) % 31 === 0);
  return zlib ? createInflate() : createInflateRaw();
};

const decoders: Readonly<Record<string, (first: Buffer) => Decoder>> = {
  gzip: () => createGunzip(),
  deflate: inflate,
  br: () => createBrotliDecompress(),
};

/** The coding named by Content-Encoding: null for none, `unknown` for several or another one. */
export const contentCoding = (header: string | readonly string[] | undefined): 'gzip' | 'deflate' | 'br' | 'unknown' | null => {
  if (header === undefined) return null;
  const names = String(header)
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'identity');
  const [name] = names;
  if (name === undefined) return null;
  return names.length === 1 && Object.hasOwn(decoders, name) ? (name as 'gzip' | 'deflate' | 'br') : 'unknown';
};

/** Takes the chunks of a body and calls `done` once, at its end or as soon as it is too large. */
export class ResponseBody {
  private readonly chunks: Buffer[] = [];
  private keptBytes = 0;
  private wireBytes = 0;
  private decoder: Decoder | null = null;
  private finished = false;

  constructor(
    private readonly coding: ReturnType<typeof contentCoding>,
    private readonly done: (body: ReadBody) => void,
  ) {}

  write(chunk: Buffer): void {
    if (this.finished) return;
    this.wireBytes += chunk.length;
    if (this.wireBytes > RESPONSE_WIRE_BYTES_MAX) this.finish('too_large');
    else if (this.coding === null) this.keep(chunk);
    else if (this.coding === 'unknown') this.keepSome(chunk);
    else if (chunk.length > 0) (this.decoder ??= this.open(this.coding, chunk)).write(chunk);
  }

  end(): void {
    if (this.finished) return;
    if (this.decoder !== null) this.decoder.end();
    else this.finish(this.coding === 'unknown' && this.wireBytes > 0 ? 'unknown_encoding' : 'whole');
  }

  /** What was decoded so far, for the record of an answer that broke off. */
  soFar(): Buffer {
    return Buffer.concat(this.chunks);
  }

  discard(): void {
    this.finished = true;
    this.decoder?.destroy();
  }

  private open(coding: 'gzip' | 'deflate' | 'br', first: Buffer): Decoder {
    const decoder = (decoders[coding] as (first: Buffer) => Decoder)(first);
    decoder.on('data', (chunk: Buffer) => this.keep(chunk));
    decoder.on('end', () => this.finish('whole'));
    decoder.on('error', () => this.finish('undecodable'));
    return decoder;
  }

  private keep(chunk: Buffer): void {
    if (this.finished) return;
    const room = RESPONSE_BODY_BYTES_MAX - this.keptBytes;
    this.keepSome(chunk);
    if (chunk.length > room) this.finish('too_large');
  }

  private keepSome(chunk: Buffer): void {
    const room = RESPONSE_BODY_BYTES_MAX - this.keptBytes;
    if (room <= 0) return;
    const kept = chunk.length > room ? chunk.subarray(0, room) : chunk;
    this.chunks.push(kept);
    this.keptBytes += kept.length;
  }

  private finish(state: ReadBody['state']): void {
    if (this.finished) return;
    this.finished = true;
    this.decoder?.destroy();
    const [only] = this.chunks;
    this.done({ state, bytes: this.chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.chunks) });
  }
}
