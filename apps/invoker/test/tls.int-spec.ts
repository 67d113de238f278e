import { randomUUID } from 'node:crypto';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { plainTls, type RegisteredApi, type RegisteredApiTls, sameId } from '@cf/contract';
import { eventually, testAuthority, testCertificate } from '@cf/testing';
import { keyRing, RunningInvoker } from './running-invoker.js';

/** A customer that speaks TLS on a socket of its own, answers every request with what it knows of the caller, and counts handshakes. */
class SecureCustomer {
  handshakes = 0;
  private readonly sockets = new Set<TLSSocket>();
  private constructor(
    private readonly server: ReturnType<typeof createServer>,
    readonly url: string,
  ) {}

  static async start(options: TlsOptions): Promise<SecureCustomer> {
    const server = createServer({ key: testAuthority.key, cert: testAuthority.server, ...options });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const customer = new SecureCustomer(server, `https://localhost:${(server.address() as AddressInfo).port}`);
    server.on('secureConnection', (socket) => {
      customer.handshakes++;
      customer.sockets.add(socket.on('error', () => undefined));
      socket.on('data', () => {
        const body = JSON.stringify({ returnValue: socket.getPeerCertificate().subject?.CN ?? 'nobody' });
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
      });
    });
    return customer;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

describe('TLS of a Registered API', () => {
  let invoker: RunningInvoker;
  let orgId: string;
  const customers: SecureCustomer[] = [];
  beforeAll(async () => {
    invoker = await RunningInvoker.start();
    orgId = await invoker.addOrganization();
  });
  afterAll(async () => {
    await Promise.all(customers.map((customer) => customer.close()));
    await invoker?.stop();
  });

  const customer = async (options: TlsOptions = {}): Promise<SecureCustomer> => {
    const started = await SecureCustomer.start(options);
    customers.push(started);
    return started;
  };
  const trusting: RegisteredApiTls = { ...plainTls, caBundle: testAuthority.authority };
  const withClient =
    (certificate: string) =>
    (id: string): RegisteredApiTls => ({
      ...trusting,
      clientCertificate: certificate,
      sealedClientKey: keyRing.seal(testAuthority.key, `${sameId(orgId)}:${sameId(id)}`),
    });
  const setApi = (url: string, tls: RegisteredApiTls | ((id: string) => RegisteredApiTls), id: string = randomUUID(), org = orgId) =>
    invoker.setApi(org, url, { id, tls: typeof tls === 'function' ? tls(id) : tls });
  const call = async (api: RegisteredApi) => invoker.run(invoker.step(await invoker.setFunction(api)));
  const failed = (detail: string) => ({ outcome: 'failed', failureReason: 'tls', failureDetail: detail });

  it('trusts the authorities of its bundle, and no other API does', async () => {
    const { url } = await customer();
    expect(await call(await setApi(url, trusting))).toMatchObject({ outcome: 'succeeded', returnValue: 'nobody' });
    const unknown = failed('certificate of an unknown issuer (UNABLE_TO_VERIFY_LEAF_SIGNATURE)');
    expect(await call(await setApi(url, plainTls))).toMatchObject(unknown);
    const otherBundle = { ...plainTls, caBundle: testCertificate.cert };
    expect(await call(await setApi(url, otherBundle))).toMatchObject(unknown);
  });

  it.each([
    ['expired', 'certificate expired (CERT_HAS_EXPIRED)'],
    ['notYetValid', 'certificate not yet valid (CERT_NOT_YET_VALID)'],
    ['elsewhere', 'certificate for another host (ERR_TLS_CERT_ALTNAME_INVALID)'],
  ] as const)('tells a certificate that is %s apart', async (name, detail) => {
    const { url } = await customer({ cert: testAuthority[name] });
    expect(await call(await setApi(url, trusting))).toMatchObject({
      ...failed(detail),
      attempts: [{ failureReason: 'tls', failureDetail: detail }],
    });
  });

  it('tells a self-signed certificate apart', async () => {
    const { url } = await customer(testCertificate);
    expect(await call(await setApi(url, trusting))).toMatchObject(failed('self-signed certificate (DEPTH_ZERO_SELF_SIGNED_CERT)'));
  });

  it('speaks nothing older than TLS 1.2', async () => {
    const old = await customer({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' });
    const result = await call(await setApi(old.url, trusting));
    expect(result).toMatchObject({ failureReason: 'tls', failureDetail: expect.stringMatching(/^protocol too old \(ERR_SSL_/) });
    expect(old.handshakes).toBe(0);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('shows its client certificate with %s', async (version) => {
    const asking = await customer({ requestCert: true, rejectUnauthorized: true, ca: testAuthority.authority, maxVersion: version });
    expect(await call(await setApi(asking.url, withClient(testAuthority.client)))).toMatchObject({ returnValue: 'client' });
    const { outcome, failureReason } = await call(await setApi(asking.url, trusting));
    expect([outcome, ['tls', 'connection'].includes(failureReason ?? '')]).toEqual(['failed', true]);
  });

  it('fails when its settings are no certificates, without a call', async () => {
    const served = await customer();
    expect(await call(await setApi(served.url, { ...plainTls, caBundle: 'no PEM' }))).toMatchObject({ failureReason: 'tls' });
    const foreignKey = (id: string): RegisteredApiTls => ({ ...withClient(testAuthority.client)(id), sealedClientKey: 'k1.a.b.c' });
    expect(await call(await setApi(served.url, foreignKey))).toMatchObject({ failureReason: 'internal', attempts: [] });
    expect(served.handshakes).toBe(0);
  });

  it('keeps its connections, apart from those of another API with the same origin', async () => {
    const asking = await customer({ requestCert: true, rejectUnauthorized: false, ca: testAuthority.authority });
    const [one, other] = [await setApi(asking.url, withClient(testAuthority.client)), await setApi(asking.url, trusting)];
    for (const [api, name] of [
      [one, 'client'],
      [other, 'nobody'],
      [one, 'client'],
      [other, 'nobody'],
    ] as const)
      expect((await call(api)).returnValue).toBe(name);
    expect(asking.handshakes).toBe(2);
  });

  it('takes changed settings with the next call', async () => {
    const asking = await customer({ requestCert: true, rejectUnauthorized: false, ca: testAuthority.authority });
    const api = await setApi(asking.url, trusting);
    const cloudFunction = await invoker.setFunction(api);
    expect((await invoker.run(invoker.step(cloudFunction))).returnValue).toBe('nobody');
    await setApi(asking.url, withClient(testAuthority.client), api.id);
    await eventually(async () => expect((await invoker.run(invoker.step(cloudFunction))).returnValue).toBe('client'));
    await setApi(asking.url, plainTls, api.id);
    await eventually(async () => expect((await invoker.run(invoker.step(cloudFunction))).failureReason).toBe('tls'));
  });

  it('shares no connection with another organization that has the same host, names and settings', async () => {
    const served = await customer();
    const other = await invoker.addOrganization();
    for (const org of [orgId, other, orgId, other])
      expect(await call(await setApi(served.url, trusting, randomUUID(), org))).toMatchObject({ outcome: 'succeeded' });
    expect(served.handshakes).toBe(4);
  });
});
