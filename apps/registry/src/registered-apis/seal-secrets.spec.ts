import { describe, expect, it } from '@jest/globals';
import { plainTls, type RegisteredApi } from '@cf/contract';
import { writeRegisteredApi } from './registered-apis.schema.js';
import { sealSecrets } from './seal-secrets.js';

const seal = {
  seal: (plain: string): string => `sealed(${plain})`,
  open: (sealed: string): string => sealed.replace(/^sealed\(([^]*)\)$/, '$1'),
};
const request = (part: object) => writeRegisteredApi.parse({ name: 'A', baseUrl: 'https://a.test/v1', ...part });

const stored = (part: Partial<RegisteredApi>): Pick<RegisteredApi, 'baseUrl' | 'headers' | 'authorization' | 'tls'> => ({
  baseUrl: 'https://a.test',
  headers: [],
  authorization: { type: 'None' },
  tls: plainTls,
  ...part,
});
const storedBasic = stored({ authorization: { type: 'Basic', username: 'u', sealedPassword: 'old' } });
const storedHeader = stored({
  headers: [
    { name: 'X-Key', secret: true, sealedValue: 'old' },
    { name: 'X-Plain', secret: false, value: 'seen' },
  ],
});

const errorsOf = (...args: Parameters<typeof sealSecrets>): string[] => {
  const result = sealSecrets(...args);
  return result.ok ? [] : result.errors.map(({ pointer, code }) => `${pointer} ${code}`);
};

describe('sealSecrets', () => {
  it('seals what is given', () => {
    const given = request({
      headers: [{ name: 'X-Key', value: 'v', secret: true }],
      authorization: { type: 'ApiKey', keyName: 'k', keyValue: 'w', addTo: 'Header' },
    });
    expect(sealSecrets(given, null, seal)).toEqual({
      ok: true,
      sealed: {
        headers: [{ name: 'X-Key', secret: true, sealedValue: 'sealed(v)' }],
        authorization: { type: 'ApiKey', keyName: 'k', addTo: 'Header', sealedKeyValue: 'sealed(w)' },
        tls: plainTls,
      },
    });
  });

  it('asks for every secret at creation', () => {
    const given = request({ headers: [{ name: 'X-Key', secret: true }], authorization: { type: 'Basic', username: 'u' } });
    expect(errorsOf(given, null, seal)).toEqual(['/headers/0/value required', '/authorization/password required']);
  });

  it('keeps what is left out, also when the rest changes', () => {
    const kept = sealSecrets(request({ authorization: { type: 'Basic', username: 'other' } }), storedBasic, seal);
    expect(kept.ok && kept.sealed.authorization).toEqual({ type: 'Basic', username: 'other', sealedPassword: 'old' });
    const header = sealSecrets(request({ headers: [{ name: 'x-KEY', secret: true }] }), storedHeader, seal);
    expect(header.ok && header.sealed.headers).toEqual([{ name: 'x-KEY', secret: true, sealedValue: 'old' }]);
  });

  it.each(['http://a.test', 'https://b.test', 'https://a.test:8443', 'https://a.test.evil.test'])(
    'keeps nothing when the origin becomes %s',
    (baseUrl) => {
      expect(errorsOf(request({ baseUrl, authorization: { type: 'Basic', username: 'u' } }), storedBasic, seal)).toEqual([
        '/authorization/password secret_required',
      ]);
      expect(errorsOf(request({ baseUrl, headers: [{ name: 'X-Key', secret: true }] }), storedHeader, seal)).toEqual([
        '/headers/0/value secret_required',
      ]);
    },
  );

  it('keeps nothing when the origin of the token URL changes, and all when only its path does', () => {
    const oauth = { type: 'OAuth', accessTokenUrl: 'https://login.test/token', clientId: 'id' } as const;
    const storedOAuth = stored({
      headers: storedHeader.headers,
      authorization: { ...oauth, grantType: 'client_credentials', sealedClientSecret: 'old', scope: '', sendAs: 'RequestBody' },
    });
    const headers = [{ name: 'X-Key', secret: true }];
    const kept = sealSecrets(request({ headers, authorization: { ...oauth, accessTokenUrl: 'https://login.test/v2' } }), storedOAuth, seal);
    expect(kept.ok && kept.sealed.authorization).toMatchObject({ accessTokenUrl: 'https://login.test/v2', sealedClientSecret: 'old' });
    expect(
      errorsOf(request({ headers, authorization: { ...oauth, accessTokenUrl: 'https://evil.test/token' } }), storedOAuth, seal),
    ).toEqual(['/headers/0/value secret_required', '/authorization/clientSecret secret_required']);
    expect(errorsOf(request({ baseUrl: 'https://evil.test', authorization: oauth }), storedOAuth, seal)).toEqual([
      '/authorization/clientSecret secret_required',
    ]);
    expect(errorsOf(request({ headers, authorization: { type: 'None' } }), storedOAuth, seal)).toEqual([]);
  });

  it('keeps nothing for another type, another header or a value that was no secret', () => {
    expect(errorsOf(request({ authorization: { type: 'BearerToken' } }), storedBasic, seal)).toEqual([
      '/authorization/token secret_required',
    ]);
    expect(errorsOf(request({ headers: [{ name: 'X-Other', secret: true }] }), storedHeader, seal)).toEqual([
      '/headers/0/value secret_required',
    ]);
    expect(errorsOf(request({ headers: [{ name: 'X-Plain', secret: true }] }), storedHeader, seal)).toEqual([
      '/headers/0/value secret_required',
    ]);
  });
});
