import { expect, it } from '@jest/globals';
import { mayCallDemo } from './may-call-demo.js';

const development = { host: '127.0.0.1', allowHttp: true, allowedAddresses: ['127.0.0.0/8', '::1/128'] };

it.each([
  ['is called with what development allows', {}, true],
  ['is called on IPv6 loopback', { host: '::1' }, true],
  ['is called by loopback when everything is listened on', { host: '0.0.0.0' }, true],
  ['is not called without plain http', { allowHttp: false }, false],
  ['is not called when no address is allowed', { allowedAddresses: [] }, false],
  ['is not called on a private address that nobody allowed', { host: '10.0.0.7' }, false],
  ['is called on a private address that is allowed', { host: '10.0.0.7', allowedAddresses: ['10.0.0.0/8'] }, true],
])('the demo customer %s', (_promise, settings, expected) => {
  expect(mayCallDemo({ ...development, ...settings })).toBe(expected);
});
