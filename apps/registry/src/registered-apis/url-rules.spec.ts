import { describe, expect, it } from '@jest/globals';
import { refuseBaseUrl, refuseTokenUrl, sameOrigin } from './url-rules.js';

const production = { allowHttp: false, allowedAddresses: [], deniedAddresses: [] };
const development = { allowHttp: true, allowedAddresses: ['127.0.0.0/8', '::1/128'], deniedAddresses: [] };

describe('refuseBaseUrl', () => {
  it.each([
    'https://api.example.com',
    'https://api.example.com/v1/',
    'https://api.example.com:8443/a/b',
    'https://93.184.216.34',
    'https://[2606:4700::1111]',
    'HTTPS://API.example.com',
    'https://intern.test.',
    'https://a_b.test',
    'https://münchen.example',
  ])('lets %s pass', (url) => expect(refuseBaseUrl(url, production)).toBeNull());

  it.each([
    '',
    'api.example.com',
    '//api.example.com',
    '/v1',
    'ftp://api.example.com',
    'javascript:alert(1)',
    'https:api.example.com',
    'https:///x',
    'https://',
    ' https://a.test',
    'https://a.test ',
    'https://a.test/\n',
    'https://a.te\tst',
    'https://a.test\\@evil.test',
    'https://user@a.test',
    'https://user:pw@a.test',
    'https://@a.test',
    'https://a.test?',
    'https://a.test/#',
    'https://a.test/v1/../admin',
    'https://a.test/%2e%2e/admin',
    'https://a.test:99999',
    'https://[::1',
    'https://a b.test',
    'https://*',
    'https://*.a.test',
    'https://a..b/',
    'https://.a.test',
    'https://a.test..',
    'https://-a.test',
    'https://a$b.test',
    'https://a.test:0',
    `https://${'a'.repeat(64)}.test`,
    `https://${'a.'.repeat(130)}test`,
  ])('refuses %j', (url) => expect(refuseBaseUrl(url, development)?.code).toBe('invalid_base_url'));

  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '192.0.2.1',
    '192.88.99.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '168.63.129.16',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '127.1',
    '[::1]',
    '[::]',
    '[fe80::1]',
    '[fd00::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:a9fe:a9fe]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
    '[2001:db8::1]',
    '[4000::1]',
    '192.31.196.1',
    '[2620:4f:8000::1]',
    '[3fff::1]',
    '[::ffff:8.8.8.8]',
    '[2606:4700::5efe:10.0.0.1]',
  ])('refuses the address %s and says no more than that', (host) => {
    expect(refuseBaseUrl(`https://${host}/x`, production)).toEqual({ code: 'blocked_address', detail: 'address not allowed' });
  });

  it('follows the operator’s allow-list, the deny-list above it and the switch for plain http', () => {
    expect(refuseBaseUrl('https://9.9.9.9', { ...production, deniedAddresses: ['9.9.9.0/24'] })?.code).toBe('blocked_address');
    expect(refuseBaseUrl('http://127.0.0.1:3000', development)).toBeNull();
    expect(refuseBaseUrl('http://[::1]:3000', development)).toBeNull();
    expect(refuseBaseUrl('http://[::ffff:127.0.0.1]:3000', development)).toBeNull();
    expect(refuseBaseUrl('http://10.0.0.1', development)?.code).toBe('blocked_address');
    expect(refuseBaseUrl('https://10.0.0.1', { ...production, allowedAddresses: ['10.0.0.0/8'] })).toBeNull();
    expect(refuseBaseUrl('http://a.test', production)?.code).toBe('https_required');
  });
});

describe('refuseTokenUrl', () => {
  it('takes a query, and is as strict as for a base URL otherwise', () => {
    expect(refuseTokenUrl('https://login.test/token?tenant=a/../b', production)).toBeNull();
    expect(refuseTokenUrl('https://login.test?tenant=a', production)).toBeNull();
    expect(refuseTokenUrl('http://login.test/token', production)?.code).toBe('https_required');
    expect(refuseTokenUrl('https://169.254.169.254/token?x', production)?.code).toBe('blocked_address');
    expect(refuseTokenUrl('http://127.0.0.1:3000/token', development)).toBeNull();
  });

  it.each([
    ...['', 'login.test/token', '/token', 'https://u:p@login.test/token', 'https://u@login.test?x', 'https://login.test/token#x'],
    ...['https://*/token', 'https://a..b?x', 'https://login.test/%2e%2e/token', 'https://login.test/token?a b'],
  ])('refuses %j', (url) => expect(refuseTokenUrl(url, production)?.code).toBe('invalid_token_url'));
});

describe('sameOrigin', () => {
  it('sees scheme, host and port, and neither path nor case', () => {
    expect(sameOrigin('https://a.test/v1', 'https://A.test:443/v2')).toBe(true);
    expect(sameOrigin('https://a.test', 'http://a.test')).toBe(false);
    expect(sameOrigin('https://a.test', 'https://a.test:8443')).toBe(false);
    expect(sameOrigin('https://a.test', 'https://b.a.test')).toBe(false);
  });
});
