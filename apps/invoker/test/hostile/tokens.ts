import { gzipSync } from 'node:zlib';
import { blocked, type Expected, type HostileCase, http } from './hostile-case.js';

const failed = (detail: RegExp): Expected => ({ failed: 'auth_token', detail });
const asked = (name: string, answer: string | Buffer, expected: Expected, status = 200, headers = ''): HostileCase => ({
  name: `a token server with ${name}`,
  token: { status, answer, headers },
  answer: http('{"returnValue":"called"}'),
  expected,
});
const at = (url: string, expected: Expected = blocked): HostileCase => ({ name: `the token URL ${url}`, token: { url }, expected });
const token = (more: object): string => JSON.stringify({ access_token: 'abc', token_type: 'Bearer', ...more });
const called: Expected = { value: 'called' };

/** Token servers are customers' too, and get the same care. */
export const tokenCases: readonly HostileCase[] = [
  asked('a token', token({}), called),
  asked('a token in gzip', gzipSync(token({})), called, 200, 'content-encoding: gzip\r\n'),
  asked('a token that splits headers', token({ access_token: 'a\r\nx-evil: 1' }), failed(/access_token cannot be used/)),
  asked('a token with a zero byte', token({ access_token: 'a\0b' }), failed(/access_token cannot be used/)),
  asked('a token with a space', token({ access_token: 'a b' }), failed(/access_token cannot be used/)),
  asked('a token of 60 KB', token({ access_token: 'x'.repeat(60_000) }), failed(/access_token cannot be used/)),
  asked('a token in a prototype', '{"__proto__":{"access_token":"a","token_type":"Bearer"}}', failed(/cannot be used/)),
  asked('another type', token({ token_type: 'DPoP' }), failed(/token_type cannot be used/)),
  asked('an absurd lifetime', token({ expires_in: 1e300 }), called),
  asked('a negative lifetime', token({ expires_in: -1 }), called),
  asked('an object for a lifetime', token({ expires_in: {} }), called),
  asked('an error', '{"error":"invalid_client"}', failed(/^invalid_client: the token server answered 400$/), 400),
  asked('the secret in its error', '{"error":"bad s3cret"}', failed(/^bad\?\*\*\*: /), 400),
  asked('line feeds in its error', '{"error":"a\\r\\nb"}', failed(/^a\?\?b: /), 400),
  asked('an endless error', `{"error":"${'x'.repeat(60_000)}"}`, failed(/^x{64}: /), 400),
  asked('a page', '<html></html>', failed(/is no JSON object/)),
  asked('a redirect inward', '', failed(/^the token server answered 302$/), 302, 'location: http://127.0.0.1:{port}/\r\n'),
  asked('a bomb', gzipSync(Buffer.alloc(20 * 1024 * 1024)), failed(/is too large/), 200, 'content-encoding: gzip\r\n'),
  asked('a flood of headers', token({}), failed(/response_too_large/), 200, 'x: y\r\n'.repeat(20_000)),
  at('http://127.0.0.1:{port}/token'),
  at('http://169.254.169.254/latest/api/token'),
  at('http://[::ffff:127.0.0.1]:{port}/token'),
  at('http://2130706433:{port}/token'),
  at('http://localhost:{port}/token'),
  at('http://user:pass@127.0.0.2:{port}/token', failed(/without user info/)),
  at('file:///etc/passwd', failed(/must be absolute/)),
  at('not a URL', failed(/must be absolute/)),
];
