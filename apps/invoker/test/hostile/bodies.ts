import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { type Expected, type HostileCase, http } from './hostile-case.js';

const BODY = '{"returnValue":"x"}';
const tooLarge: Expected = { failed: 'response_too_large', status: 200 };
const ZEROS = Buffer.alloc(20 * 1024 * 1024);
const encoded = (name: string, coding: string, body: Buffer | string, expected: Expected): HostileCase => ({
  name,
  answer: http(body, `content-encoding: ${coding}\r\n`),
  expected,
});
const plain = (name: string, body: Buffer | string, expected: Expected): HostileCase => ({ name, answer: http(body), expected });
/** Blocks of a zlib stream that hold nothing: a megabyte on the wire, not a byte inside. */
const padding = Buffer.concat([Buffer.from([0x78, 0x9c]), ...Array.from({ length: 250_000 }, () => Buffer.from([0, 0, 0, 0xff, 0xff]))]);
const gzipName = (length: number): Buffer =>
  Buffer.concat([Buffer.from('1f8b08080000000000ff', 'hex'), Buffer.alloc(length, 0x61), Buffer.from([0]), gzipSync(BODY).subarray(10)]);

/** Bodies that are too much, or not what they say. */
export const bodyCases: readonly HostileCase[] = [
  plain('64 KiB of white space', ' '.repeat(64 * 1024), { warning: 'not_json' }),
  plain('64 KiB and a byte', ' '.repeat(64 * 1024 + 1), tooLarge),
  plain('10 MB', Buffer.alloc(10_000_000, 0x20), tooLarge),
  {
    name: 'a body without an end',
    answer: (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const more = (): void => {
        while (!socket.destroyed && socket.write(Buffer.alloc(64 * 1024, 0x20)));
      };
      socket.on('drain', more);
      more();
    },
    expected: tooLarge,
  },
  encoded('gzip', 'gzip', gzipSync(BODY), { value: 'x' }),
  encoded('gzip by its old name', 'x-gzip', gzipSync(BODY), { warning: 'unknown_encoding' }),
  encoded('gzip in capitals', 'GZIP', gzipSync(BODY), { value: 'x' }),
  encoded('deflate', 'deflate', deflateSync(BODY), { value: 'x' }),
  encoded('raw deflate', 'deflate', deflateRawSync(BODY), { value: 'x' }),
  encoded('brotli', 'br', brotliCompressSync(BODY), { value: 'x' }),
  encoded('a bomb in gzip', 'gzip', gzipSync(ZEROS), tooLarge),
  encoded('a bomb in deflate', 'deflate', deflateSync(ZEROS), tooLarge),
  encoded('a bomb in raw deflate', 'deflate', deflateRawSync(ZEROS), tooLarge),
  encoded('a bomb in brotli', 'br', brotliCompressSync(ZEROS), tooLarge),
  encoded('a bomb of many small members', 'gzip', Buffer.concat(Array.from({ length: 40 }, () => gzipSync(' '.repeat(4_000)))), tooLarge),
  encoded('a bomb within a bomb', 'gzip, gzip', gzipSync(gzipSync(ZEROS)), { warning: 'unknown_encoding' }),
  encoded('padding that decodes to nothing', 'deflate', padding, tooLarge),
  encoded('a gzip file name of 2 MB', 'gzip', gzipName(2_000_000), tooLarge),
  encoded('a gzip file name of 2 KB', 'gzip', gzipName(2_000), { value: 'x' }),
  encoded('two codings', 'gzip, br', gzipSync(BODY), { warning: 'unknown_encoding' }),
  encoded('a thousand codings', Array.from({ length: 1_000 }, () => 'gzip').join(','), gzipSync(BODY), { warning: 'unknown_encoding' }),
  encoded('zstd', 'zstd', BODY, { warning: 'unknown_encoding' }),
  encoded('compress', 'compress', BODY, { warning: 'unknown_encoding' }),
  encoded('a coding named as a prototype', '__proto__', BODY, { warning: 'unknown_encoding' }),
  encoded('a coding named constructor', 'constructor', BODY, { warning: 'unknown_encoding' }),
  encoded('identity', 'identity', BODY, { value: 'x' }),
  encoded('an empty coding', '', BODY, { value: 'x' }),
  encoded('commas for a coding', ',,,', BODY, { value: 'x' }),
  encoded('gzip that is none', 'gzip', BODY, { warning: 'undecodable' }),
  encoded('gzip that is cut', 'gzip', gzipSync(BODY).subarray(0, 20), { warning: 'undecodable' }),
  encoded('gzip with a wrong checksum', 'gzip', Buffer.concat([gzipSync(BODY).subarray(0, -8), Buffer.alloc(8, 1)]), {
    warning: 'undecodable',
  }),
  encoded('brotli that is none', 'br', 'no brotli at all', { warning: 'undecodable' }),
  encoded('deflate that is none', 'deflate', Buffer.from([0xff, 0xff, 0xff]), { warning: 'undecodable' }),
  encoded('zero bytes of gzip', 'gzip', '', { value: null }),
  encoded('zero bytes of an unknown coding', 'zstd', '', { value: null }),
  {
    name: 'gzip as a transfer coding',
    answer: `HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n${BODY}`,
    expected: { failed: 'connection' },
  },
];
