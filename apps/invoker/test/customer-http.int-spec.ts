import { execFile } from 'node:child_process';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { setDefaultCACertificates, getCACertificates } from 'node:tls';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { CustomerEndpoint, type CustomerAnswer, eventually, testCertificate } from '@cf/testing';
import { AddressGuard } from '@cf/service-kit';
import { CustomerHttp, type CustomerCall } from '../src/http/customer-http.js';
import { hostResolver, type ResolveHost } from '../src/http/resolve-host.js';
import { silence } from './silent-host.js';

const ROOT = join(import.meta.dirname, '../../..');
const LOOPBACK = ['127.0.0.0/8', '::1/128'];

const clients: CustomerHttp[] = [];
const client = (allowed: readonly string[] = LOOPBACK, resolve = hostResolver({ servers: [] })): CustomerHttp => {
  const guard = new AddressGuard({ allowed, denied: [] });
  const made = new CustomerHttp({ dialing: { guard, resolve, onRefused: () => undefined }, connectionsMax: 10, poolsMax: 10 });
  clients.push(made);
  return made;
};
afterEach(() => Promise.all(clients.splice(0).map((made) => made.close())));

const callTo = (url: string, more: Partial<CustomerCall> = {}): CustomerCall => {
  const { origin, pathname, search } = new URL(url);
  const target = { origin, path: `${pathname}${search}`, headers: [], tls: null };
  return { orgId: 'a', target, headers: {}, body: '{}', budgetMs: 5_000, ...more };
};

/** undici gives a connection back in the turn after its answer. */
const aTurn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe('HTTP to customers', () => {
  let endpoint: CustomerEndpoint;
  beforeAll(async () => {
    endpoint = await CustomerEndpoint.start();
  });
  afterAll(() => endpoint.close());

  const answered = async (answer: CustomerAnswer, more: Partial<CustomerCall> = {}) => {
    endpoint.answer('/', () => answer);
    return client().post(callTo(endpoint.url, more));
  };
  const raw = (text: string, drop = true) => answered({ raw: text, drop });
  const encoded = (coding: string, body: Buffer | string) => answered({ headers: { 'content-encoding': coding }, body });

  describe('an address that is not public', () => {
    it.each([
      ['127.0.0.1'],
      ['2130706433'],
      ['0x7f000001'],
      ['0x7f.1'],
      ['0177.0.0.1'],
      ['127.1'],
      ['127.0.0.1.'],
      ['[::ffff:127.0.0.1]'],
      ['[::ffff:7f00:1]'],
      ['[::127.0.0.1]'],
      ['localhost'],
      ['LOCALHOST'],
      ['169.254.169.254'],
      ['[fd00::1]'],
    ])('%s is not dialled', async (host) => {
      const before = endpoint.connections;
      const exchange = await client([]).post(callTo(endpoint.url.replace('127.0.0.1', host)));
      expect(exchange).toMatchObject({ failure: { reason: 'blocked_address' }, sent: false, status: null });
      expect(exchange.failure?.detail).not.toMatch(/127|169|::/);
      expect(endpoint.connections).toBe(before);
    });

    it('among others spoils them all: no address of the host is dialled', async () => {
      const before = endpoint.connections;
      const mixed: ResolveHost = async () => [
        { address: '127.0.0.1', family: 4 },
        { address: '10.0.0.1', family: 4 },
      ];
      const exchange = await client(LOOPBACK, mixed).post(callTo(endpoint.url.replace('127.0.0.1', 'mixed.example')));
      expect(exchange.failure?.reason).toBe('blocked_address');
      expect(endpoint.connections).toBe(before);
    });

    it('cannot be put in place between check and use: what was checked is dialled', async () => {
      let asked = 0;
      const rebinding: ResolveHost = async () => [{ address: asked++ === 0 ? '127.0.0.1' : '169.254.169.254', family: 4 }];
      const exchange = await client(LOOPBACK, rebinding).post(callTo(endpoint.url.replace('127.0.0.1', 'rebinding.example')));
      expect(exchange.status).toBe(200);
      expect(asked).toBe(1);
    });
  });

  describe('connections', () => {
    it('are used again by the same organization and never by another one', async () => {
      endpoint.answer('/', () => ({}));
      const http = client();
      for (const orgId of ['a', 'a', 'b', 'a', 'b']) {
        await http.post(callTo(endpoint.url, { orgId }));
        await aTurn();
      }
      const [a1, a2, b1, a3, b2] = endpoint.calls.slice(-5).map(({ connection }) => connection);
      expect(new Set([a1, a2, a3]).size).toBe(1);
      expect(b1).toBe(b2);
      expect(a1).not.toBe(b1);
    });

    it('are not led through a proxy of the environment', async () => {
      const proxy = await CustomerEndpoint.start();
      const names = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'];
      const env = { ...process.env, NODE_USE_ENV_PROXY: '1', ...Object.fromEntries(names.map((name) => [name, proxy.url])) };
      const program = [
        '--import',
        join(ROOT, 'tools/from-source.mjs'),
        '--conditions=@cf/source',
        join(ROOT, 'apps/invoker/test/calls-once.ts'),
      ];
      const { stdout } = await promisify(execFile)(process.execPath, [...program, endpoint.url], { env });
      expect(JSON.parse(stdout)).toEqual({ status: 200, failure: null });
      expect(proxy.connections).toBe(0);
      await proxy.close();
    });

    it('that are refused fail before anything was sent', async () => {
      const exchange = await client().post(callTo('http://127.0.0.1:9'));
      expect(exchange).toMatchObject({ failure: { reason: 'connection', detail: 'ECONNREFUSED' }, sent: false });
    });

    it('fall back to the next vetted address of the host', async () => {
      const both: ResolveHost = async () => [
        { address: '::1', family: 6 },
        { address: '127.0.0.1', family: 4 },
      ];
      expect((await client(LOOPBACK, both).post(callTo(endpoint.url.replace('127.0.0.1', 'both.example')))).status).toBe(200);
    });

    it('fall back within a quarter of a second when an address is silent', async () => {
      const { port } = new URL(endpoint.url);
      const end = await silence('127.0.0.4', Number(port));
      const both: ResolveHost = async () => [
        { address: '127.0.0.4', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ];
      const exchange = await client(LOOPBACK, both).post(callTo(endpoint.url.replace('127.0.0.1', 'silent.example')));
      await end();
      expect(exchange.status).toBe(200);
      expect(exchange.durationMs).toBeGreaterThanOrEqual(240);
      expect(exchange.durationMs).toBeLessThan(1_500);
    });

    it('to a name that does not resolve are a dns failure', async () => {
      expect((await client().post(callTo('http://nobody.invalid'))).failure?.reason).toBe('dns');
    });

    it('are bounded in number: an idle pool makes room', async () => {
      endpoint.answer('/', () => ({}));
      const http = client();
      for (let org = 0; org < 30; org++) expect((await http.post(callTo(endpoint.url, { orgId: String(org) }))).status).toBe(200);
      expect(http.poolCount).toBe(10);
    });
  });

  describe('the budget', () => {
    it('cuts off an endpoint that does not answer', async () => {
      const exchange = await answered({ hang: true }, { budgetMs: 100 });
      expect(exchange).toMatchObject({ failure: { reason: 'timeout' }, sent: true, status: null });
      expect(exchange.durationMs).toBeGreaterThanOrEqual(98);
    });

    it('cuts off a body that does not end', async () => {
      const exchange = await answered({ raw: 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf' }, { budgetMs: 100 });
      expect(exchange).toMatchObject({ failure: { reason: 'timeout' }, status: 200, body: { state: 'broken_off' } });
      expect(exchange.body.bytes.toString()).toBe('half');
    });

    it('covers the look-up, and what was not sent in time is never sent', async () => {
      endpoint.answer('/', () => ({}));
      let found = (): void => undefined;
      const slow: ResolveHost = () => new Promise((resolve) => (found = () => resolve([{ address: '127.0.0.1', family: 4 }])));
      const http = client(LOOPBACK, slow);
      const url = endpoint.url.replace('127.0.0.1', 'slow.example');
      const late = await http.post(callTo(`${url}/late`, { budgetMs: 100 }));
      expect(late).toMatchObject({ failure: { reason: 'timeout' }, sent: false });
      const next = http.post(callTo(`${url}/next`));
      found();
      await eventually(() => found());
      expect((await next).status).toBe(200);
      expect(endpoint.callsTo('/late')).toEqual([]);
    });
  });

  describe('an answer', () => {
    it('that redirects is not followed', async () => {
      const before = endpoint.calls.length;
      const exchange = await answered({ status: 307, headers: { location: `${endpoint.url}/elsewhere` } });
      expect(exchange).toMatchObject({ status: 307, failure: null });
      expect(endpoint.calls.length).toBe(before + 1);
    });

    it.each([
      ['gzip', gzipSync('text')],
      ['GZip', gzipSync('text')],
      ['deflate', deflateSync('text')],
      ['deflate', deflateRawSync('text')],
      ['br', brotliCompressSync('text')],
      ['identity', Buffer.from('text')],
    ])('in %s is decoded', async (coding, body) => {
      const { body: read } = await encoded(coding, body);
      expect([read.state, read.bytes.toString()]).toEqual(['whole', 'text']);
    });

    it.each(['zstd', 'gzip, gzip', 'gzip, br', 'x'])('in %s is of an unknown encoding', async (coding) => {
      expect((await encoded(coding, 'x')).body.state).toBe('unknown_encoding');
    });

    it.each([
      ['gzip', Buffer.from('no gzip')],
      ['gzip', gzipSync('text').subarray(0, 15)],
      ['deflate', Buffer.from([0xff, 0xff, 0xff])],
      ['br', Buffer.from('no brotli at all')],
    ])('that is not the %s it says is undecodable', async (coding, body) => {
      expect(await encoded(coding, body)).toMatchObject({ failure: null, status: 200, body: { state: 'undecodable' } });
    });

    it.each(['gzip', 'br', 'zstd', 'gzip, gzip'])('of zero bytes is empty although it says %s', async (coding) => {
      expect((await encoded(coding, '')).body).toMatchObject({ state: 'whole', bytes: Buffer.alloc(0) });
    });

    it('of 64 KiB is whole and one byte more is too large', async () => {
      expect((await answered({ body: 'x'.repeat(64 * 1024) })).body.state).toBe('whole');
      const { failure, status, body } = await answered({ body: 'x'.repeat(64 * 1024 + 1) });
      expect([failure, status, body.state, body.bytes.length]).toEqual([null, 200, 'too_large', 64 * 1024]);
    });

    it.each([
      ['gzip', gzipSync(Buffer.alloc(50 * 1024 * 1024))],
      ['gzip', Buffer.concat(Array.from({ length: 20 }, () => gzipSync('x'.repeat(4_000))))],
      ['br', brotliCompressSync(Buffer.alloc(50 * 1024 * 1024))],
      ['deflate', deflateSync(Buffer.alloc(50 * 1024 * 1024))],
    ])('that is a bomb in %s is stopped early', async (coding, bomb) => {
      const before = process.memoryUsage().rss;
      const { body } = await encoded(coding, bomb);
      expect([body.state, body.bytes.length]).toEqual(['too_large', 64 * 1024]);
      expect(process.memoryUsage().rss - before).toBeLessThan(40 * 1024 * 1024);
    });

    it('of more than 1 MiB on the wire is too large, whatever it decodes to', async () => {
      const padding = Buffer.concat([
        Buffer.from([0x78, 0x9c]),
        ...Array.from({ length: 250_000 }, () => Buffer.from([0, 0, 0, 0xff, 0xff])),
      ]);
      expect((await encoded('deflate', padding)).body.state).toBe('too_large');
    });

    it.each<[string, string]>([
      ['chunk extensions', `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;${'x'.repeat(2 * 1024 * 1024)}\r\na\r\n`],
      ['interim answers', 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n'.repeat(60_000)],
    ])('of more than 1 MiB of %s is cut off', async (_name, text) => {
      const { failure, body } = await raw(text, false);
      expect(failure?.reason ?? body.state).toMatch(/^(response_too_large|too_large)$/);
    });

    it('is measured by itself: a connection may carry any number of them', async () => {
      endpoint.answer('/', () => ({ body: 'x'.repeat(60_000) }));
      const http = client();
      const before = endpoint.connections;
      for (let call = 0; call < 40; call++) {
        expect((await http.post(callTo(endpoint.url))).body.state).toBe('whole');
        await aTurn();
      }
      expect(endpoint.connections - before).toBe(1);
    });

    it('with headers beyond 64 KiB is too large', async () => {
      const exchange = await answered({ headers: { 'x-large': 'x'.repeat(65 * 1024) } });
      expect(exchange.failure).toMatchObject({ reason: 'response_too_large' });
    });

    it('with too many headers is too large', async () => {
      const many = Array.from({ length: 8_000 }, (_, index) => `x-${index}: some`).join('\r\n');
      expect((await raw(`HTTP/1.1 200 OK\r\n${many}\r\n\r\n`)).failure).toMatchObject({ reason: 'response_too_large' });
    });

    it.each([
      ['nonsense', 'nonsense\r\n\r\n'],
      ['an early end of a body with a length', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort'],
      ['an early end of a chunked body', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n'],
      ['a bad chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'],
      ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
      ['a length and chunks', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n'],
      ['a bad length', 'HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n'],
      ['a bad header', 'HTTP/1.1 200 OK\r\nx y: z\r\n\r\n'],
      ['an early end of the headers', 'HTTP/1.1 200 OK\r\nx: '],
      ['no byte', ''],
    ])('with %s is a connection failure', async (_name, text) => {
      expect((await raw(text)).failure).toMatchObject({ reason: 'connection' });
    });

    it('without a length ends with its connection', async () => {
      const { failure, body } = await raw('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall of it');
      expect([failure, body.state, body.bytes.toString()]).toEqual([null, 'whole', 'all of it']);
    });

    it('may follow interim answers', async () => {
      const exchange = await raw(
        'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
      );
      expect([exchange.status, exchange.body.bytes.toString()]).toEqual([200, 'ok']);
      expect(exchange.headers).not.toHaveProperty('link');
    });

    it('that nobody asked for closes the connection and is never the answer of the next call', async () => {
      const http = client();
      const twice = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst';
      endpoint.answer('/twice', () => ({ raw: `${twice}${twice.replace('first', 'evil!')}` }));
      endpoint.answer('/next', () => ({ body: 'next' }));
      expect((await http.post(callTo(`${endpoint.url}/twice`))).body.bytes.toString()).toBe('first');
      expect((await http.post(callTo(`${endpoint.url}/next`))).body.bytes.toString()).toBe('next');
      const [before, after] = [endpoint.callsTo('/twice'), endpoint.callsTo('/next')].map(([call]) => call?.connection);
      expect(before).not.toBe(after);
    });
  });

  describe('a request', () => {
    it('keeps its body byte for byte', async () => {
      const body = '{ "a":1.0,  "a":12345678901234567890,\n"é":"\\u00e9😀" }';
      await answered({}, { body });
      expect(endpoint.calls.at(-1)?.body.toString()).toBe(body);
    });

    it('with a header that HTTP cannot carry is refused', async () => {
      const exchange = await answered({}, { headers: { 'x-y': 'smile 😀' } });
      expect(exchange).toMatchObject({ failure: { reason: 'invalid_request' }, sent: false });
    });
  });
});

describe('TLS to customers', () => {
  it('refuses a certificate that nobody vouches for', async () => {
    const endpoint = await CustomerEndpoint.start({ tls: testCertificate });
    expect(await client().post(callTo(endpoint.url))).toMatchObject({
      failure: { reason: 'tls', detail: 'self-signed certificate (DEPTH_ZERO_SELF_SIGNED_CERT)' },
      sent: false,
    });
    expect(endpoint.calls).toEqual([]);
    await endpoint.close();
  });

  it('refuses it also when the environment says not to look', async () => {
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    const endpoint = await CustomerEndpoint.start({ tls: testCertificate });
    expect((await client().post(callTo(endpoint.url))).failure?.reason).toBe('tls');
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    await endpoint.close();
  });

  describe('with a certificate that is trusted', () => {
    const trusted = getCACertificates('default');
    beforeAll(() => setDefaultCACertificates([...trusted, testCertificate.cert]));
    afterAll(() => setDefaultCACertificates(trusted));

    it('calls, and uses the connection again', async () => {
      const endpoint = await CustomerEndpoint.start({ tls: testCertificate });
      const http = client();
      const url = endpoint.url.replace('127.0.0.1', 'localhost');
      expect((await http.post(callTo(url))).status).toBe(200);
      await aTurn();
      expect((await http.post(callTo(url))).status).toBe(200);
      expect(endpoint.connections).toBe(1);
      await endpoint.close();
    });

    it('refuses another host', async () => {
      const endpoint = await CustomerEndpoint.start({ tls: testCertificate });
      const other: ResolveHost = async () => [{ address: '127.0.0.1', family: 4 }];
      const exchange = await client(LOOPBACK, other).post(callTo(endpoint.url.replace('127.0.0.1', 'other.example')));
      expect(exchange.failure).toMatchObject({ reason: 'tls', detail: 'certificate for another host (ERR_TLS_CERT_ALTNAME_INVALID)' });
      await endpoint.close();
    });
  });

  describe('with a peer that does not speak it', () => {
    let server: Server;
    const sockets: Socket[] = [];
    afterEach(async () => {
      for (const socket of sockets.splice(0)) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
    const serve = async (onSocket: (socket: Socket) => void): Promise<string> => {
      server = createServer((socket) => {
        sockets.push(socket.on('error', () => undefined));
        onSocket(socket);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    };

    it('fails when it hangs up', async () => {
      const url = await serve((socket) => socket.destroy());
      expect((await client().post(callTo(url))).failure?.reason).toBe('tls');
    });

    it('fails when it answers in plain HTTP', async () => {
      const url = await serve((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
      expect((await client().post(callTo(url))).failure?.reason).toBe('tls');
    });

    it('times out when it says nothing', async () => {
      const url = await serve(() => undefined);
      expect(await client().post(callTo(url, { budgetMs: 100 }))).toMatchObject({ failure: { reason: 'timeout' }, sent: false });
    });
  });
});
