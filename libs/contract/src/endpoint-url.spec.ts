import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { joinEndpointUrl } from './endpoint-url.js';

const joined = (base: string, endpoint: string): string => {
  const result = joinEndpointUrl(base, endpoint);
  return result.ok ? result.url : result.code;
};

/** How a careless server reads a path, once. */
const decodeLeniently = (path: string): string => path.replace(/%[0-7][0-9a-f]/gi, (escape) => decodeURIComponent(escape));

describe('joinEndpointUrl', () => {
  it.each([
    ['https://api.example.com', 'appointments', 'https://api.example.com/appointments'],
    ['https://api.example.com/', '/appointments', 'https://api.example.com/appointments'],
    ['https://api.example.com/v2', 'appointments', 'https://api.example.com/v2/appointments'],
    ['https://api.example.com/v2/', '/appointments/', 'https://api.example.com/v2/appointments/'],
    ['https://api.example.com/v2//', 'a/b', 'https://api.example.com/v2/a/b'],
    ['http://127.0.0.1:8080/base', 'run', 'http://127.0.0.1:8080/base/run'],
    ['https://[2606:4700::1111]/x', 'y', 'https://[2606:4700::1111]/x/y'],
  ])('keeps the path of %s and puts one slash before %s', (base, endpoint, url) => {
    expect(joined(base, endpoint)).toBe(url);
  });

  it('keeps a query as it is', () => {
    expect(joined('https://a.test/v1', 'find?from=1..5&q=a%2e%2e&u=http://x/')).toBe(
      'https://a.test/v1/find?from=1..5&q=a%2e%2e&u=http://x/',
    );
    expect(joined('https://a.test/v1', '?q=1')).toBe('https://a.test/v1/?q=1');
  });

  it.each(['users/@me', 'a/b:c', 'files/group%2Fproject', 'a..b/c', '...', 'v1.2/x', 'sch%C3%B6n', 'schön', 'a;b=1/c'])(
    'allows %s',
    (endpoint) => {
      expect(joinEndpointUrl('https://a.test/base', endpoint).ok).toBe(true);
    },
  );

  it.each([
    ['', 'empty'],
    ['https://evil.test/x', 'absolute_url'],
    ['HTTP:evil', 'absolute_url'],
    ['javascript:alert(1)', 'absolute_url'],
    ['user:pw@evil.test', 'absolute_url'],
    ['//evil.test/x', 'absolute_url'],
    ['///evil.test', 'absolute_url'],
    ['\\\\evil.test', 'forbidden_character'],
    ['/\\evil.test', 'forbidden_character'],
    ['a\\..\\b', 'forbidden_character'],
    ['a\nb', 'forbidden_character'],
    ['\t//evil.test', 'forbidden_character'],
    ['/\t/evil.test', 'forbidden_character'],
    ['a b', 'forbidden_character'],
    ['a\u0000', 'forbidden_character'],
    ['a\u0085b', 'forbidden_character'],
    ['a\ud800', 'forbidden_character'],
    ['a#b', 'fragment'],
    ['..', 'dot_segment'],
    ['../admin', 'dot_segment'],
    ['a/../../b', 'dot_segment'],
    ['./a', 'dot_segment'],
    ['a/..?x=1', 'dot_segment'],
    ['%2e%2e/admin', 'dot_segment'],
    ['.%2E/admin', 'dot_segment'],
    ['a%2ejson', 'dot_segment'],
    ['%252e%252e/admin', 'dot_segment'],
    ['%25252e%25252e/admin', 'dot_segment'],
    ['..%2fadmin', 'dot_segment'],
    ['a%5c..%5cadmin', 'dot_segment'],
    ['..;/admin', 'dot_segment'],
    ['..;x=1/admin', 'dot_segment'],
    ['100%', 'malformed_escape'],
    ['%zz', 'malformed_escape'],
  ])('refuses %j as %s', (endpoint, code) => {
    expect(joined('https://a.test/base', endpoint)).toBe(code);
  });

  it.each(['ftp://a.test', 'a.test', '/base', 'https://u:p@a.test', 'https://a.test/?q=1', 'https://a.test/#x', ''])(
    'refuses the base %j',
    (base) => {
      expect(joined(base, 'a')).toBe('invalid_base_url');
    },
  );

  it('never leaves the base, whatever the endpoint is', () => {
    const pieces = fc.constantFrom(
      '..',
      '.',
      '/',
      '//',
      '\\',
      '%2e',
      '%2f',
      '%5c',
      '%25',
      ';',
      '?',
      '#',
      '@',
      ':',
      'a',
      'evil.test',
      '\t',
      ' ',
      '0',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const result = joinEndpointUrl('https://a.test/base', parts.join(''));
        if (!result.ok) return;
        const url = new URL(result.url);
        expect(url.origin).toBe('https://a.test');
        expect(url.pathname.startsWith('/base/')).toBe(true);
        for (let path = url.pathname, round = 0; round < 5; round++, path = decodeLeniently(path)) {
          expect(path.split(/[/\\]/).map((segment) => segment.split(';')[0])).not.toContain('..');
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
