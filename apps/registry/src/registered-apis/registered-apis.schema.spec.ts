import { describe, expect, it } from '@jest/globals';
import { writeRegisteredApi } from './registered-apis.schema.js';

const minimal = { name: 'CRM', baseUrl: 'https://crm.example.com' };

const refusals = (part: object): string[] => {
  const read = writeRegisteredApi.safeParse({ ...minimal, ...part });
  return read.success
    ? []
    : read.error.issues.map((issue) => `${issue.path.join('/')} ${issue.code === 'custom' ? String(issue.params?.['code']) : issue.code}`);
};

describe('headers of a Registered API', () => {
  it.each([
    ...['Host', 'content-length', 'Transfer-Encoding', 'CONNECTION', 'Content-Type', 'traceparent', 'Traceparent'],
    ...['x-cloud-function-attempt', 'X-Cloud-Function-Invocation-Id', 'X-CLOUD-FUNCTION-anything', 'Upgrade', 'Date'],
    ...['Webhook-Id', 'webhook-timestamp', 'webhook-signature', 'X-MedChat-Signature-SHA256'],
  ])('may not be named %s', (name) => {
    expect(refusals({ headers: [{ name, value: 'x' }] })).toEqual(['headers/0/name forbidden_header']);
  });

  it.each(['', 'a b', 'a:b', 'a\r\nb', 'ä', 'a\u0000'])('need a name that is a header name, not %j', (name) => {
    expect(refusals({ headers: [{ name, value: 'x' }] })[0]).toMatch(/^headers\/0\/name (invalid_header_name|too_small)$/);
  });

  it.each(['a\r\nX-Evil: 1', 'a\nb', 'a\rb', '\u0000', '\u007f', 'snow ☃'])('refuse the value %j, secret or not', (value) => {
    expect(refusals({ headers: [{ name: 'X-A', value }] })).toEqual(['headers/0/value invalid_header_value']);
    expect(refusals({ headers: [{ name: 'X-A', value, secret: true }] })).toEqual(['headers/0/value invalid_header_value']);
  });

  it('may be there once, in whatever case', () => {
    expect(
      refusals({
        headers: [
          { name: 'X-A', value: '1' },
          { name: 'x-a', value: '2' },
        ],
      }),
    ).toEqual(['headers/1/name duplicate']);
  });

  it('may say Authorization with None only', () => {
    const headers = [{ name: 'authorization', value: 'Bearer x', secret: true }];
    expect(refusals({ headers })).toEqual([]);
    expect(refusals({ headers, authorization: { type: 'BearerToken', token: 't' } })).toEqual(['headers/0/name authorization_conflict']);
    expect(refusals({ headers, authorization: { type: 'ApiKey', keyName: 'k', keyValue: 'v', addTo: 'QueryParams' } })).toEqual([
      'headers/0/name authorization_conflict',
    ]);
  });
});

describe('authorization of a Registered API', () => {
  it('refuses a colon in a Basic user name and allows one in the password', () => {
    expect(refusals({ authorization: { type: 'Basic', username: 'a:b', password: 'x' } })).toEqual([
      'authorization/username colon_in_username',
    ]);
    expect(refusals({ authorization: { type: 'Basic', username: 'a', password: 'x:y' } })).toEqual([]);
    expect(refusals({ authorization: { type: 'Basic', username: 'key', password: '' } })).toEqual([]);
  });

  it('asks for a header name where an API key goes into a header', () => {
    const apiKey = { type: 'ApiKey', keyName: 'api key', keyValue: 'v' };
    expect(refusals({ authorization: { ...apiKey, addTo: 'Header' } })).toEqual(['authorization/keyName invalid_header_name']);
    expect(refusals({ authorization: { ...apiKey, addTo: 'QueryParams' } })).toEqual([]);
    expect(refusals({ authorization: { ...apiKey, keyName: 'Host', addTo: 'Header' } })).toEqual([
      'authorization/keyName forbidden_header',
    ]);
    expect(refusals({ authorization: { ...apiKey, keyName: 'Authorization', addTo: 'Header' } })).toEqual([]);
    expect(refusals({ authorization: { ...apiKey, keyName: 'X-A', addTo: 'Header' }, headers: [{ name: 'x-a', value: '1' }] })).toEqual([
      'authorization/keyName duplicate',
    ]);
  });

  it.each(['a\nb', 'a\r', '\u0000', ''])('refuses the token %j', (token) => {
    expect(refusals({ authorization: { type: 'BearerToken', token } })[0]).toMatch(/^authorization\/token /);
  });

  it('takes OAuth with what a client credentials grant needs, and fills in the rest', () => {
    const oauth = { type: 'OAuth', accessTokenUrl: 'https://login.test/token', clientId: 'id', clientSecret: 's' };
    expect(writeRegisteredApi.parse({ ...minimal, authorization: oauth }).authorization).toEqual({
      ...oauth,
      grantType: 'client_credentials',
      scope: '',
      sendAs: 'BasicAuthHeader',
    });
    expect(refusals({ authorization: { ...oauth, grantType: 'password' } })).toEqual(['authorization/grantType invalid_value']);
    expect(refusals({ authorization: { ...oauth, sendAs: 'Header' } })).toEqual(['authorization/sendAs invalid_value']);
    expect(refusals({ authorization: { ...oauth, clientId: '' } })).toEqual(['authorization/clientId too_small']);
    expect(refusals({ authorization: { ...oauth, scope: 'a\nb' } })).toEqual(['authorization/scope control_character']);
    expect(refusals({ authorization: oauth, headers: [{ name: 'Authorization', value: 'x' }] })).toEqual([
      'headers/0/name authorization_conflict',
    ]);
  });

  it('refuses keys of another type', () => {
    expect(refusals({ authorization: { type: 'Basic', username: 'a', password: 'b', token: 'c' } })).toEqual([
      'authorization unrecognized_keys',
    ]);
  });
});
