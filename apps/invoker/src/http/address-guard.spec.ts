import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { AddressGuard, isPublicAddress } from './address-guard.js';

describe('addresses of customers', () => {
  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '52.95.110.1',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.0',
    '168.63.129.15',
    '168.63.129.17',
    '169.253.255.255',
    '169.255.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.0.1.0',
    '192.88.98.255',
    '192.88.100.0',
    '192.167.255.255',
    '192.169.0.0',
    '198.17.255.255',
    '198.20.0.0',
    '223.255.255.255',
    '2606:4700:4700::1111',
    '2a00:1450:4001:81b::200e',
    '2001:200::1',
    '2001:4860:4860::8888',
    '::ffff:8.8.8.8',
    '::ffff:808:808',
  ])('%s is public', (address) => expect(isPublicAddress(address)).toBe(true));

  it.each([
    ['this network', '0.0.0.0'],
    ['this network', '0.255.255.255'],
    ['private', '10.0.0.1'],
    ['private', '10.255.255.255'],
    ['carrier-grade NAT', '100.64.0.1'],
    ['carrier-grade NAT', '100.127.255.255'],
    ['loopback', '127.0.0.1'],
    ['loopback', '127.255.255.254'],
    ['Azure host', '168.63.129.16'],
    ['cloud metadata', '169.254.169.254'],
    ['private', '172.16.0.1'],
    ['private', '172.31.255.255'],
    ['protocol assignments', '192.0.0.8'],
    ['PCP anycast, called globally reachable', '192.0.0.9'],
    ['TURN anycast, called globally reachable', '192.0.0.10'],
    ['DNS64 discovery', '192.0.0.170'],
    ['documentation', '192.0.2.1'],
    ['AS112, called globally reachable', '192.31.196.1'],
    ['AMT, called globally reachable', '192.52.193.1'],
    ['6to4 relay', '192.88.99.1'],
    ['private', '192.168.1.1'],
    ['AS112, called globally reachable', '192.175.48.1'],
    ['benchmarks', '198.18.0.1'],
    ['benchmarks', '198.19.255.255'],
    ['documentation', '198.51.100.1'],
    ['documentation', '203.0.113.1'],
    ['multicast', '224.0.0.1'],
    ['multicast', '239.255.255.255'],
    ['reserved', '240.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['unspecified', '::'],
    ['loopback', '::1'],
    ['mapped loopback', '::ffff:127.0.0.1'],
    ['mapped metadata', '::ffff:a9fe:a9fe'],
    ['compatible loopback', '::127.0.0.1'],
    ['compatible public', '::8.8.8.8'],
    ['translated', '::ffff:0:8.8.8.8'],
    ['NAT64 of a public address', '64:ff9b::8.8.8.8'],
    ['NAT64 of loopback', '64:ff9b::7f00:1'],
    ['local NAT64', '64:ff9b:1::8.8.8.8'],
    ['discard', '100::1'],
    ['dummy prefix', '100:0:0:1::1'],
    ['Teredo', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
    ['PCP anycast, called globally reachable', '2001:1::1'],
    ['benchmarks', '2001:2::1'],
    ['AMT, called globally reachable', '2001:3::1'],
    ['AS112, called globally reachable', '2001:4:112::1'],
    ['ORCHIDv2, called globally reachable', '2001:20::1'],
    ['drone identifiers, called globally reachable', '2001:30::1'],
    ['end of the assignments', '2001:1ff:ffff::1'],
    ['documentation', '2001:db8::1'],
    ['6to4', '2002:808:808::1'],
    ['6to4 of a private address', '2002:c0a8:101::1'],
    ['AS112, called globally reachable', '2620:4f:8000::1'],
    ['documentation', '3fff::1'],
    ['below 2000::/3', '1fff:ffff::1'],
    ['above 2000::/3', '4000::1'],
    ['SRv6', '5f00::1'],
    ['unique local', 'fd12:3456::1'],
    ['link local', 'fe80::1'],
    ['link local with a zone', 'fe80::1%eth0'],
    ['site local', 'fec0::1'],
    ['multicast', 'ff02::1'],
    ['no address', 'localhost'],
    ['no address', ''],
  ])('%s %s is not public', (_name, address) => expect(isPublicAddress(address)).toBe(false));

  it('gives an IPv4 address and its mapped form the same answer, whatever the address', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(isPublicAddress(`::ffff:${address}`)).toBe(isPublicAddress(address));
      }),
    );
  });

  it('refuses every IPv6 address outside 2000::/3', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const first = Number.parseInt(address.split(':')[0] || '0', 16);
        if (first < 0x2000 || first > 0x3fff) expect(isPublicAddress(address) && !address.includes('.')).toBe(false);
      }),
    );
  });
});

describe('the allow-list of an operator', () => {
  const guard = new AddressGuard([
    '127.0.0.0/8',
    '::1/128',
    '10.1.0.0/16',
    '64:ff9b::/96',
    '64:ff9b:1::/48',
    '2002::/16',
    '2001::/32',
    'fd00::/8',
  ]);

  it.each([
    '127.0.0.1',
    '::1',
    '10.1.2.3',
    'fd00::1',
    '8.8.8.8',
    '::ffff:127.0.0.1',
    '64:ff9b::8.8.8.8',
    '64:ff9b::10.1.0.1',
    '2002:808:808::1',
  ])('permits %s', (address) => expect(guard.permits(address)).toBe(true));

  it.each(['10.2.0.1', '169.254.169.254', '::ffff:169.254.169.254', 'fe80::1', '0.0.0.0', '::'])('still refuses %s', (address) =>
    expect(guard.permits(address)).toBe(false),
  );

  it.each([
    ['NAT64', '64:ff9b::169.254.169.254'],
    ['local NAT64 with a short prefix', '64:ff9b:1:a9fe:a9:fe00::'],
    ['local NAT64 with a long prefix', '64:ff9b:1::169.254.169.254'],
    ['local NAT64 that names nothing', '64:ff9b:1::'],
    ['6to4', '2002:a9fe:a9fe::1'],
    ['a Teredo client', '2001:0:808:808:0:0:5601:5601'],
    ['a Teredo server', '2001:0:a9fe:a9fe:0:0:f7f7:f7f7'],
  ])('judges %s by the address inside', (_name, address) => expect(guard.permits(address)).toBe(false));

  it('permits only public addresses when it is empty', () => {
    const strict = new AddressGuard([]);
    expect(strict.permits('127.0.0.1')).toBe(false);
    expect(strict.permits('::1')).toBe(false);
    expect(strict.permits('8.8.8.8')).toBe(true);
  });
});
