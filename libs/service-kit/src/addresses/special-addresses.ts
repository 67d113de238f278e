/** Why an address is not dialled. For operators (log, metric); a tenant only reads that the address is not allowed. */
export type AddressRule =
  | 'denied_by_operator'
  | 'not_an_address'
  | 'this_network'
  | 'private'
  | 'carrier_grade_nat'
  | 'loopback'
  | 'link_local'
  | 'cloud_platform'
  | 'special_purpose'
  | 'documentation'
  | 'benchmark'
  | 'multicast'
  | 'reserved'
  | 'embedded_ipv4'
  | 'not_global_unicast';

/** Every special-purpose block of IANA, those called globally reachable too, and what else hosts no customer (product.md §9). */
export const SPECIAL_IPV4: readonly (readonly [string, AddressRule])[] = [
  ['0.0.0.0/8', 'this_network'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'carrier_grade_nat'],
  ['127.0.0.0/8', 'loopback'],
  ['168.63.129.16/32', 'cloud_platform'], // Azure's host, reachable from every guest
  ['169.254.0.0/16', 'link_local'], // cloud metadata among them
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'special_purpose'], // protocol assignments; Oracle's metadata
  ['192.0.2.0/24', 'documentation'],
  ['192.31.196.0/24', 'special_purpose'], // AS112
  ['192.52.193.0/24', 'special_purpose'], // AMT
  ['192.88.99.0/24', 'special_purpose'], // 6to4 relays
  ['192.168.0.0/16', 'private'],
  ['192.175.48.0/24', 'special_purpose'], // AS112
  ['198.18.0.0/15', 'benchmark'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'], // broadcast among them
];

/** The first match counts; what matches nothing has to lie in 2000::/3, the space that is given out at all. */
export const SPECIAL_IPV6: readonly (readonly [string, AddressRule])[] = [
  ['::/128', 'this_network'],
  ['::1/128', 'loopback'],
  ['::/96', 'embedded_ipv4'], // compatible
  ['::ffff:0:0:0/96', 'embedded_ipv4'], // translated
  ['64:ff9b::/96', 'embedded_ipv4'], // NAT64
  ['64:ff9b:1::/48', 'embedded_ipv4'], // local NAT64
  ['2001::/32', 'embedded_ipv4'], // Teredo
  ['2001::/23', 'special_purpose'], // protocol assignments, ORCHID among them
  ['2001:db8::/32', 'documentation'],
  ['2002::/16', 'embedded_ipv4'], // 6to4
  ['2620:4f:8000::/48', 'special_purpose'], // AS112
  ['3fff::/20', 'documentation'],
  ['fc00::/7', 'private'], // unique local
  ['fe80::/10', 'link_local'],
  ['ff00::/8', 'multicast'],
];

export const GLOBAL_UNICAST_IPV6 = '2000::/3';
