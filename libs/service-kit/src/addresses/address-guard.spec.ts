import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { AddressGuard } from './address-guard.js';

const publicOnly = new AddressGuard({ allowed: [], denied: [] });

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
    '2606:4700:4700:0:0:5efe:8.8.8.8',
  ])('%s is public', (address) => expect(publicOnly.ruleAgainst(address)).toBeNull());

  it.each([
    ['this_network', '0.0.0.0'],
    ['this_network', '0.255.255.255'],
    ['private', '10.0.0.1'],
    ['private', '10.255.255.255'],
    ['carrier_grade_nat', '100.64.0.1'],
    ['carrier_grade_nat', '100.100.100.200'],
    ['carrier_grade_nat', '100.127.255.255'],
    ['loopback', '127.0.0.1'],
    ['loopback', '127.255.255.254'],
    ['cloud_platform', '168.63.129.16'],
    ['link_local', '169.254.169.254'],
    ['link_local', '169.254.170.2'],
    ['private', '172.16.0.1'],
    ['private', '172.31.255.255'],
    ['special_purpose', '192.0.0.8'],
    ['special_purpose', '192.0.0.9'],
    ['special_purpose', '192.0.0.10'],
    ['special_purpose', '192.0.0.170'],
    ['special_purpose', '192.0.0.192'],
    ['documentation', '192.0.2.1'],
    ['special_purpose', '192.31.196.1'],
    ['special_purpose', '192.52.193.1'],
    ['special_purpose', '192.88.99.1'],
    ['private', '192.168.1.1'],
    ['special_purpose', '192.175.48.1'],
    ['benchmark', '198.18.0.1'],
    ['benchmark', '198.19.255.255'],
    ['documentation', '198.51.100.1'],
    ['documentation', '203.0.113.1'],
    ['multicast', '224.0.0.1'],
    ['multicast', '239.255.255.255'],
    ['reserved', '240.0.0.1'],
    ['reserved', '255.255.255.255'],
    ['this_network', '::'],
    ['loopback', '::1'],
    ['loopback', '::ffff:127.0.0.1'],
    ['link_local', '::ffff:a9fe:a9fe'],
    ['embedded_ipv4', '::ffff:8.8.8.8'],
    ['embedded_ipv4', '::127.0.0.1'],
    ['embedded_ipv4', '::8.8.8.8'],
    ['embedded_ipv4', '::ffff:0:8.8.8.8'],
    ['embedded_ipv4', '64:ff9b::8.8.8.8'],
    ['embedded_ipv4', '64:ff9b::7f00:1'],
    ['embedded_ipv4', '64:ff9b:1::8.8.8.8'],
    ['not_global_unicast', '100::1'],
    ['not_global_unicast', '100:0:0:1::1'],
    ['embedded_ipv4', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
    ['special_purpose', '2001:1::1'],
    ['special_purpose', '2001:2::1'],
    ['special_purpose', '2001:3::1'],
    ['special_purpose', '2001:4:112::1'],
    ['special_purpose', '2001:20::1'],
    ['special_purpose', '2001:30::1'],
    ['special_purpose', '2001:1ff:ffff::1'],
    ['documentation', '2001:db8::1'],
    ['embedded_ipv4', '2002:808:808::1'],
    ['embedded_ipv4', '2002:c0a8:101::1'],
    ['special_purpose', '2620:4f:8000::1'],
    ['documentation', '3fff::1'],
    ['embedded_ipv4', '2606:4700:4700:0:0:5efe:10.0.0.1'],
    ['embedded_ipv4', '2606:4700:4700:0:200:5efe:169.254.169.254'],
    ['not_global_unicast', '1fff:ffff::1'],
    ['not_global_unicast', '4000::1'],
    ['not_global_unicast', '5f00::1'],
    ['private', 'fd12:3456::1'],
    ['private', 'fd00:ec2::254'],
    ['link_local', 'fe80::1'],
    ['link_local', 'fe80::1%eth0'],
    ['not_global_unicast', 'fec0::1'],
    ['multicast', 'ff02::1'],
    ['not_an_address', 'localhost'],
    ['not_an_address', ''],
  ])('%s: %s is not public', (rule, address) => expect(publicOnly.ruleAgainst(address)).toBe(rule));

  it('never takes the mapped form of an IPv4 address for a public one, whatever the address', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(publicOnly.ruleAgainst(`::ffff:${address}`)).toBe(publicOnly.ruleAgainst(address) ?? 'embedded_ipv4');
      }),
    );
  });

  it('refuses every IPv6 address outside 2000::/3', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const first = Number.parseInt(address.split(':')[0] || '0', 16);
        if (first < 0x2000 || first > 0x3fff) expect(publicOnly.ruleAgainst(address)).not.toBeNull();
      }),
    );
  });

  it('refuses every private IPv4 address in every form that carries it', () => {
    const hex = (bytes: readonly number[]) =>
      bytes
        .map((byte) => byte.toString(16).padStart(2, '0'))
        .join('')
        .replace(/(.{4})(?=.)/, '$1:');
    fc.assert(
      fc.property(fc.tuple(fc.constantFrom(10, 127, 0, 224, 255), fc.nat(255), fc.nat(255), fc.nat(255)), (bytes) => {
        const inner = hex(bytes);
        for (const form of [`::ffff:${inner}`, `::${inner}`, `64:ff9b::${inner}`, `64:ff9b:1::${inner}`, `2002:${inner}::1`])
          expect(publicOnly.ruleAgainst(form)).not.toBeNull();
        expect(publicOnly.ruleAgainst(`2606:4700::5efe:${inner}`)).toBe('embedded_ipv4');
      }),
    );
  });
});

describe('the allow-list of an operator', () => {
  const guard = new AddressGuard({
    denied: [],
    allowed: ['127.0.0.0/8', '::1/128', '10.1.0.0/16', '64:ff9b::/96', '64:ff9b:1::/48', '2002::/16', '2001::/32', 'fd00::/8'],
  });

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
  ])('permits %s', (address) => expect(guard.ruleAgainst(address)).toBeNull());

  it.each(['10.2.0.1', '169.254.169.254', '::ffff:169.254.169.254', 'fe80::1', '0.0.0.0', '::'])('still refuses %s', (address) =>
    expect(guard.ruleAgainst(address)).not.toBeNull(),
  );

  it.each([
    ['NAT64', '64:ff9b::169.254.169.254'],
    ['local NAT64 with a short prefix', '64:ff9b:1:a9fe:a9:fe00::'],
    ['local NAT64 with a long prefix', '64:ff9b:1::169.254.169.254'],
    ['local NAT64 that names nothing', '64:ff9b:1::'],
    ['6to4', '2002:a9fe:a9fe::1'],
    ['a Teredo client', '2001:0:808:808:0:0:5601:5601'],
    ['a Teredo server', '2001:0:a9fe:a9fe:0:0:f7f7:f7f7'],
  ])('judges %s by the address inside', (_name, address) => expect(guard.ruleAgainst(address)).not.toBeNull());

  it('permits a local NAT64 address whose inner address is public, whatever the length of the prefix', () => {
    for (const address of ['64:ff9b:1::8.8.8.8', '64:ff9b:1:808:8:800::', '64:ff9b:1:8:8:808::', '64:ff9b:1:0:8:808:800::'])
      expect(guard.ruleAgainst(address)).toBeNull();
  });
});

describe('the deny-list of an operator', () => {
  const guard = new AddressGuard({
    allowed: ['127.0.0.0/8', '64:ff9b::/96', '2002::/16'],
    denied: ['127.0.0.2/32', '8.8.8.0/24', '2606:4700::/32', '::ffff:9.9.9.0/120'],
  });

  it.each(['127.0.0.2', '8.8.8.8', '2606:4700::1', '::ffff:127.0.0.2', '::ffff:8.8.8.8', '9.9.9.9', '64:ff9b::8.8.8.8', '2002:808:808::1'])(
    'stands above what is public or allowed: %s',
    (address) => expect(guard.ruleAgainst(address)).toBe('denied_by_operator'),
  );

  it.each(['127.0.0.1', '8.8.4.4', '2606:4800::1', '::ffff:127.0.0.1'])('says nothing about %s', (address) =>
    expect(guard.ruleAgainst(address)).toBeNull(),
  );

  it('may deny everything', () => {
    const none = new AddressGuard({ allowed: ['127.0.0.0/8'], denied: ['0.0.0.0/0', '::/0'] });
    for (const address of ['8.8.8.8', '127.0.0.1', '2606:4700::1', '::ffff:8.8.8.8'])
      expect(none.ruleAgainst(address)).toBe('denied_by_operator');
  });
});
