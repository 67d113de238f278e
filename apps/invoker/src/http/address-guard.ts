import ipaddr from 'ipaddr.js';

/**
 * Which addresses a customer's endpoint may have (product.md §9). Public is what is in no special-purpose registry of IANA,
 * also not in a block that is called globally reachable (anycast of resolvers, AS112, translators: none of them hosts a customer),
 * and for IPv6 only what lies in 2000::/3, the space that is given out at all.
 *
 * An operator may allow more by CIDR. An address that carries an IPv4 address inside is judged by that one too, so that an
 * allowed translator is no way to a private network.
 */

const SPECIAL_IPV4 = [
  '0.0.0.0/8', // this network
  '10.0.0.0/8', // private
  '100.64.0.0/10', // carrier-grade NAT
  '127.0.0.0/8', // loopback
  '168.63.129.16/32', // Azure's host, reachable from every guest
  '169.254.0.0/16', // link local, cloud metadata
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation
  '192.31.196.0/24', // AS112
  '192.52.193.0/24', // AMT
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16', // private
  '192.175.48.0/24', // AS112
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
];

const GLOBAL_UNICAST_IPV6 = '2000::/3';
const SPECIAL_IPV6 = [
  '2001::/23', // protocol assignments, Teredo and ORCHID among them
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4
  '2620:4f:8000::/48', // AS112
  '3fff::/20', // documentation
];

type Range = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

const ranges = (cidrs: readonly string[]): readonly Range[] => cidrs.map((cidr) => ipaddr.parseCIDR(cidr));
const specialIpv4 = ranges(SPECIAL_IPV4);
const specialIpv6 = ranges(SPECIAL_IPV6);
const globalUnicast = ranges([GLOBAL_UNICAST_IPV6]);
const mapped = ranges(['::ffff:0:0/96']);
const compatible = ranges(['::/96']);
const nat64 = ranges(['64:ff9b::/96']);
const localNat64 = ranges(['64:ff9b:1::/48']);
const sixToFour = ranges(['2002::/16']);
const teredo = ranges(['2001::/32']);

const within = (address: ipaddr.IPv4 | ipaddr.IPv6, among: readonly Range[]): boolean =>
  among.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits));

const ipv4At = (bytes: readonly number[], ...positions: readonly number[]): ipaddr.IPv4 =>
  new ipaddr.IPv4(positions.map((position) => bytes[position] ?? 0));

const isUnset = (address: ipaddr.IPv4): boolean => address.octets.every((octet) => octet === 0);

/** The IPv4 addresses that an IPv6 address may lead to; null when it is of a carrying form and names none. */
const carriedBy = (address: ipaddr.IPv6): readonly ipaddr.IPv4[] | null => {
  const bytes = address.toByteArray();
  if (within(address, nat64)) return [ipv4At(bytes, 12, 13, 14, 15)];
  if (within(address, localNat64)) {
    // The length of the prefix inside this block is the operator's (RFC 6052), so both ends of the scale are judged.
    const candidates = [ipv4At(bytes, 6, 7, 9, 10), ipv4At(bytes, 12, 13, 14, 15)].filter((candidate) => !isUnset(candidate));
    return candidates.length > 0 ? candidates : null;
  }
  if (within(address, sixToFour)) return [ipv4At(bytes, 2, 3, 4, 5)];
  if (within(address, teredo)) {
    const client = new ipaddr.IPv4(bytes.slice(12).map((byte) => byte ^ 0xff));
    return [ipv4At(bytes, 4, 5, 6, 7), client];
  }
  if (within(address, compatible) && bytes.slice(12, 15).some((byte) => byte !== 0)) return [ipv4At(bytes, 12, 13, 14, 15)];
  return [];
};

const COMPATIBLE_TEXT = /^::(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})$/;

const parse = (text: string): ipaddr.IPv4 | ipaddr.IPv6 | null => {
  if (!ipaddr.isValid(text)) return null;
  const inner = COMPATIBLE_TEXT.exec(text)?.[1];
  // ipaddr.js takes this form for a mapped address; the system dials IPv6.
  const address =
    inner === undefined ? ipaddr.parse(text) : new ipaddr.IPv6([...Array<number>(12).fill(0), ...ipaddr.IPv4.parse(inner).octets]);
  return address instanceof ipaddr.IPv6 && within(address, mapped) ? ipv4At(address.toByteArray(), 12, 13, 14, 15) : address;
};

/** True for an address that an endpoint on the public internet can have. Not an address: false. */
export const isPublicAddress = (text: string): boolean => {
  const address = parse(text);
  if (address === null) return false;
  if (address instanceof ipaddr.IPv4) return !within(address, specialIpv4);
  return within(address, globalUnicast) && !within(address, specialIpv6);
};

/** Judges the address that is about to be dialled. `allowed`: CIDRs that are permitted besides public addresses. */
export class AddressGuard {
  private readonly allowed: readonly Range[];

  constructor(allowed: readonly string[]) {
    this.allowed = ranges(allowed);
  }

  permits(text: string): boolean {
    const address = parse(text);
    if (address === null) return false;
    if (!isPublicAddress(text) && !within(address, this.allowed)) return false;
    if (address instanceof ipaddr.IPv4) return true;
    return carriedBy(address)?.every((inner) => this.permits(inner.toString())) ?? false;
  }
}
