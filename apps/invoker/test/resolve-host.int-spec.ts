import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzip, gzipSync } from 'node:zlib';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestDns } from '@cf/testing';
import { dialled, hostResolver, type ResolveHost } from '../src/http/resolve-host.js';

/** Far more than the threads of a process, and few enough for the receive buffer of one socket. */
const SILENT = 100;

describe('the look-up of a customer’s host', () => {
  let dns: TestDns;
  let folder: string;
  let resolve: ResolveHost;
  beforeAll(async () => {
    [dns, folder] = await Promise.all([TestDns.start(), mkdtemp(join(tmpdir(), 'cf-hosts-'))]);
    const hostsFile = join(folder, 'hosts');
    await writeFile(hostsFile, '# names\n127.0.0.9 Inside.test other # one\n::9 inside.test\nnonsense\n\n10.0.0.1\n');
    resolve = hostResolver({ servers: [dns.address], hostsFile });
  });
  afterAll(() => Promise.all([dns?.close(), rm(folder, { recursive: true })]));

  it('finds both families, IPv4 first', async () => {
    dns.set('both.test', ['2606:4700::1', '192.0.2.1', '192.0.2.2']);
    expect(await resolve('both.test')).toEqual([
      { address: '192.0.2.1', family: 4 },
      { address: '192.0.2.2', family: 4 },
      { address: '2606:4700::1', family: 6 },
    ]);
  });

  it('asks anew each time', async () => {
    dns.set('moving.test', ({ asked }) => [`192.0.2.${asked + 1}`]);
    expect([await resolve('moving.test'), await resolve('moving.test')].map(([first]) => first?.address)).toEqual([
      '192.0.2.1',
      '192.0.2.2',
    ]);
  });

  it('reads the hosts file first, whatever the case, and does not ask for what it holds', async () => {
    expect(await resolve('INSIDE.test.')).toEqual([
      { address: '127.0.0.9', family: 4 },
      { address: '::9', family: 6 },
    ]);
    expect(await resolve('other')).toEqual([{ address: '127.0.0.9', family: 4 }]);
    expect(dns.questionsFor('inside.test')).toBe(0);
  });

  it('knows localhost without being told', async () => {
    expect((await resolve('localhost')).map(({ address }) => address)).toEqual(['127.0.0.1', '::1']);
    expect(dns.questionsFor('localhost')).toBe(0);
  });

  it('is not delayed by names that never answer, and neither are the threads of the process', async () => {
    for (let name = 0; name < SILENT; name++) dns.set(`silent${name}.test`, 'silence');
    dns.set('good.test', ['192.0.2.1']);
    let ended = 0;
    for (let name = 0; name < SILENT; name++) resolve(`silent${name}.test`).catch(() => ended++);
    expect(await resolve('good.test')).toHaveLength(1);
    expect(String(await promisify(gunzip)(gzipSync('x')))).toBe('x');
    expect(ended).toBe(0);
  });

  it('dials five addresses of each family at most', () => {
    const many = [4, 6].flatMap((family) => Array.from({ length: 300 }, (_, index) => ({ address: String(index), family })));
    expect(dialled(many).map(({ family }) => family)).toEqual([4, 4, 4, 4, 4, 6, 6, 6, 6, 6]);
  });
});
