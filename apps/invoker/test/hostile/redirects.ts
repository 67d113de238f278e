import { type HostileCase, http } from './hostile-case.js';

const INWARD = 'http://127.0.0.1:{port}/secret';

/** Answers that point elsewhere: none is followed. */
export const redirectCases: readonly HostileCase[] = [
  ...['301 Moved', '302 Found', '303 See Other', '305 Use Proxy', '307 Temporary', '308 Permanent', '300 Choices'].map(
    (status): HostileCase => ({
      name: `a redirect inward with ${status}`,
      answer: http('', `location: ${INWARD}\r\n`, status),
      expected: { failed: 'http_status', status: Number.parseInt(status, 10) },
    }),
  ),
  ...[
    ['a redirect to a file', 'location: file:///etc/passwd\r\n', '302 Found'],
    ['a redirect to a metadata service', 'location: http://169.254.169.254/latest/meta-data\r\n', '302 Found'],
    ['two redirects at once', `location: ${INWARD}\r\nlocation: http://10.0.0.1/\r\n`, '302 Found'],
    ['a proxy that asks for credentials', 'proxy-authenticate: Basic realm="x"\r\n', '407 Proxy'],
    ['a challenge', 'www-authenticate: Basic realm="x"\r\n', '401 Unauthorized'],
  ].map(
    ([name = '', headers = '', status = '']): HostileCase => ({
      name,
      answer: http('', headers, status),
      expected: { failed: 'http_status', status: Number.parseInt(status, 10) },
    }),
  ),
  ...[
    ['a refresh header', `refresh: 0; url=${INWARD}\r\n`],
    ['a location on success', `location: ${INWARD}\r\ncontent-location: ${INWARD}\r\n`],
    ['an alternative service', 'alt-svc: h2="127.0.0.1:{port}"\r\n'],
    ['links to preload', `link: <${INWARD}>; rel=preload\r\n`],
  ].map(([name = '', headers = '']): HostileCase => ({ name, answer: http('{"returnValue":"x"}', headers), expected: { value: 'x' } })),
];
