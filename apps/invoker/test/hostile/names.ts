import { blocked, type Expected, type HostileCase, http } from './hostile-case.js';

const here: Expected = { value: 'here' };
let names = 0;
const named = (name: string, dns: HostileCase['dns'], expected: Expected, more: Partial<HostileCase> = {}): HostileCase => ({
  name: `a name with ${name}`,
  baseUrl: `http://n${++names}.test:{port}`,
  dns,
  expected,
  answer: http('{"returnValue":"here"}'),
  ...more,
});

/** 127.0.0.2 is the one address that the operator of these tests allows. */
export const nameCases: readonly HostileCase[] = [
  named('an allowed address', ['127.0.0.2'], here),
  named('a dead address before it', ['127.0.0.2', '127.0.0.2'], here),
  named('a loopback address', ['127.0.0.1'], blocked),
  named('an address that is denied although it is allowed', ['127.0.0.3'], blocked),
  named('a private address', ['10.0.0.1'], blocked),
  named('a metadata address', ['169.254.169.254'], blocked),
  named('the unspecified address', ['0.0.0.0'], blocked),
  named('the host of a cloud', ['168.63.129.16'], blocked),
  named('a loopback address of IPv6', ['::1'], blocked),
  named('a mapped address', ['::ffff:127.0.0.1'], blocked),
  named('a compatible address', ['::7f00:1'], blocked),
  named('a unique local address', ['fd00::1'], blocked),
  named('a link local address', ['fe80::1'], blocked),
  named('a NAT64 address', ['64:ff9b::7f00:1'], blocked),
  named('a 6to4 address', ['2002:7f00:1::'], blocked),
  named('a Teredo address', ['2001::7f00:1'], blocked),
  named('an ISATAP address', ['2606:4700::5efe:7f00:1'], blocked),
  named('one bad address among good ones', ['127.0.0.2', '10.0.0.1'], blocked),
  named('one bad address of the other family', ['127.0.0.2', '::1'], blocked),
  named('a bad address at the end of many', [...Array.from({ length: 20 }, () => '127.0.0.2'), '127.0.0.1'], blocked),
  named('another address for each question', ({ asked }) => [asked === 0 ? '127.0.0.2' : '127.0.0.1'], here),
  named('a bad address only for IPv6', ({ type }) => (type === 'A' ? ['127.0.0.2'] : ['fe80::1']), blocked),
  named('no address', [], { failed: 'dns', detail: /^ENODATA$/ }),
  named('no existence', 'NXDOMAIN', { failed: 'dns', detail: /^ENOTFOUND$/ }),
  named('a server that fails', 'SERVFAIL', { failed: 'dns', detail: /^ESERVFAIL$/ }),
  named('a server that refuses', 'REFUSED', { failed: 'dns' }),
  named('a server that answers garbage', 'garbage', { failed: 'dns' }),
  named('a server that says nothing', 'silence', { failed: 'timeout' }, { timeoutMs: 300 }),
  named('an address and a failing server for IPv6', ({ type }) => (type === 'A' ? ['127.0.0.2'] : 'SERVFAIL'), here),
  named('capitals and a dot at its end', ['127.0.0.2'], here, { baseUrl: 'http://CaPitals.TEST.:{port}' }),
];
