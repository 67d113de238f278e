import { describe, expect, it, jest } from '@jest/globals';
import { type CloudFunction, type FunctionSigning, registryChanges, sameId, unsigned } from '@cf/contract';
import { KeyRing } from '@cf/service-kit';
import { Webhook } from 'standardwebhooks';
import { medchatSignature } from './medchat-signature.js';
import { prepareSigner, type Signer } from './signer.js';

const AT_MS = Date.parse('Fri, 20 Nov 2020 16:00:00 GMT');
const keyRing = KeyRing.parse(KeyRing.make());
const { resource } = registryChanges.example;
const cloudFunction = { ...(resource as CloudFunction), orgId: 'ABCDEF00-8f1e-4a0e-9a63-0c6a1c6f5d11' };
const seal = (text: string): string => keyRing.seal(text, `${sameId(cloudFunction.orgId)}:${sameId(cloudFunction.id)}`);
const signing = (secret: string, more: Partial<FunctionSigning> = {}): CloudFunction => ({
  ...cloudFunction,
  signing: { ...unsigned, enabled: true, sealedSecret: seal(secret), ...more },
});
const signerOf = (of: CloudFunction): Signer => {
  const signer = prepareSigner(of, keyRing);
  if (signer === null || 'reason' in signer) throw new Error('no signer');
  return signer;
};
const request = { invocationId: 'inv-1', path: '/webhook?foo=bar', body: '{"type":"ChatOpened","é":"😀"}', atMs: AT_MS };

describe('the signature of the chat platform', () => {
  const secret = 'dGhpcy1pcy1hLXRlc3Qtc2VjcmV0LTMyLWJ5dGVzISE=';
  const body = '{"type":"ChatOpened","orgId":"11111111-1111-1111-1111-111111111111"}';

  it('is that of the published vector', () => {
    expect(medchatSignature(secret, { path: '/webhook?foo=bar', body, atMs: AT_MS })).toBe('oucZhwQWfB4U/nJcDUbfNF4Sq6CIIXfphdyQc6vHgLA=');
  });

  it('goes with the date that it signs', () => {
    expect(signerOf(signing(secret)).sign({ ...request, body, atMs: AT_MS + 999 }).headers).toEqual({
      date: 'Fri, 20 Nov 2020 16:00:00 GMT',
      'x-medchat-signature-sha256': 'oucZhwQWfB4U/nJcDUbfNF4Sq6CIIXfphdyQc6vHgLA=',
    });
  });

  it.each([
    ['path', { path: '/webhook?foo=baz' }],
    ['case of the path', { path: '/Webhook?foo=bar' }],
    ['time', { atMs: AT_MS + 1_000 }],
    ['body', { body: `${body} ` }],
  ])('changes with the %s', (_what, change) => {
    const asIs = { path: '/webhook?foo=bar', body, atMs: AT_MS };
    expect(medchatSignature(secret, { ...asIs, ...change })).not.toBe(medchatSignature(secret, asIs));
  });

  it('is by the previous secret until that expires, then by the new one', () => {
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    const signer = signerOf(signing('new', { previous: { sealedSecret: seal('old'), expiresAt } }));
    const at = (atMs: number) => signer.sign({ ...request, atMs }).headers['x-medchat-signature-sha256'];
    const [before, after] = [Date.parse(expiresAt) - 1, Date.parse(expiresAt)];
    expect(at(before)).toBe(medchatSignature('old', { ...request, atMs: before }));
    expect(at(after)).toBe(medchatSignature('new', { ...request, atMs: after }));
  });
});

describe('the signature of Standard Webhooks', () => {
  const secrets = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'] as const;
  const verify = (secret: string, body: string, headers: Readonly<Record<string, string>>): unknown =>
    new Webhook(secret).verify(body, { ...headers });

  it('is taken by the reference implementation, and not for another body', () => {
    const { headers } = signerOf(signing(secrets[0], { scheme: 'standard-webhooks' })).sign({ ...request, atMs: Date.now() });
    expect(headers['webhook-id']).toBe('inv-1');
    expect(verify(secrets[0], request.body, headers)).toEqual(JSON.parse(request.body));
    expect(() => verify(secrets[0], `${request.body} `, headers)).toThrow('No matching signature');
    expect(() => verify(secrets[1], request.body, headers)).toThrow('No matching signature');
  });

  it('is by both secrets while one is rotated', () => {
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    const signer = signerOf(signing(secrets[1], { scheme: 'standard-webhooks', previous: { sealedSecret: seal(secrets[0]), expiresAt } }));
    const { headers } = signer.sign({ ...request, atMs: Date.now() });
    expect(headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/);
    for (const secret of secrets) expect(verify(secret, request.body, headers)).toBeDefined();
    expect(signer.sign({ ...request, atMs: Date.parse(expiresAt) }).headers['webhook-signature']).toMatch(/^v1,\S+$/);
  });

  it('needs a secret in base64', () => {
    expect(prepareSigner(signing('not base64!', { scheme: 'standard-webhooks' }), keyRing)).toMatchObject({ reason: 'invalid_request' });
  });
});

describe('signing', () => {
  it('is off unless it is on, and refuses to go on without its secret', () => {
    expect(prepareSigner({ ...cloudFunction, signing: unsigned }, keyRing)).toBeNull();
    expect(prepareSigner(signing('x', { sealedSecret: null }), keyRing)).toMatchObject({ reason: 'internal' });
    const elsewhere = keyRing.seal('x', 'another:place');
    expect(prepareSigner(signing('x', { sealedSecret: elsewhere }), keyRing)).toMatchObject({ reason: 'internal' });
  });

  it('opens the previous secret only while it is live', () => {
    const open = jest.spyOn(keyRing, 'open');
    const previous = { sealedSecret: 'sealed with a key that is gone', expiresAt: '2020-01-01T00:00:00.000Z' };
    expect(signerOf(signing('x', { previous })).sign(request).signatures).toHaveLength(1);
    expect(open).toHaveBeenCalledTimes(1);
    open.mockRestore();
  });

  it.each(['medchat', 'standard-webhooks'] as const)('shows the beginning of a %s signature on record', (scheme) => {
    const { headers, loggedHeaders, signatures } = signerOf(signing('whsec_AAAA', { scheme })).sign(request);
    expect(Object.keys(loggedHeaders)).toEqual(Object.keys(headers));
    const [signature = ''] = signatures;
    expect(JSON.stringify(headers)).toContain(signature);
    expect(JSON.stringify(loggedHeaders)).toContain(`${signature.slice(0, 8)}***`);
    expect(JSON.stringify(loggedHeaders)).not.toContain(signature.slice(0, 9));
  });
});
