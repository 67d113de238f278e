import ipaddr from 'ipaddr.js';

/** A network and the length of its prefix. */
export type Range = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

export const within = (address: ipaddr.IPv4 | ipaddr.IPv6, [network, bits]: Range): boolean =>
  network.kind() === address.kind() && address.match(network, bits);

const compatible = ipaddr.parseCIDR('::/96');
const translated = ipaddr.parseCIDR('::ffff:0:0:0/96');
const nat64 = ipaddr.parseCIDR('64:ff9b::/96');
const localNat64 = ipaddr.parseCIDR('64:ff9b:1::/48');
const sixToFour = ipaddr.parseCIDR('2002::/16');
const teredo = ipaddr.parseCIDR('2001::/32');

const ipv4At = (bytes: readonly number[], ...positions: readonly number[]): ipaddr.IPv4 =>
  new ipaddr.IPv4(positions.map((position) => bytes[position] ?? 0));

const isSet = (address: ipaddr.IPv4): boolean => address.octets.some((octet) => octet !== 0);

/** RFC 5214: the interface identifier is 0000:5efe or 0200:5efe and an IPv4 address, under any prefix. */
const isIsatap = (bytes: readonly number[]): boolean =>
  (bytes[8] === 0 || bytes[8] === 2) && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe;

/** Prefixes of 48, 56, 64 and 96 bits (RFC 6052 §2.2). Which one a network uses is not to be seen, so every one that fits is judged. */
const LOCAL_NAT64_PLACES = [
  [6, 7, 9, 10],
  [7, 9, 10, 11],
  [9, 10, 11, 12],
  [12, 13, 14, 15],
] as const;

/** Behind the inner address there are only zeros. */
const endsWith = (bytes: readonly number[], place: readonly number[]): boolean =>
  bytes.slice((place.at(-1) ?? 0) + 1).every((byte) => byte === 0);

/** The IPv4 addresses that an IPv6 address may lead to; null when it is of a carrying form and names none. */
export const carriedIpv4 = (address: ipaddr.IPv6): readonly ipaddr.IPv4[] | null => {
  const bytes = address.toByteArray();
  const last = ipv4At(bytes, 12, 13, 14, 15);
  if (within(address, nat64) || within(address, translated)) return [last];
  if (within(address, localNat64)) {
    const found = LOCAL_NAT64_PLACES.filter((place) => endsWith(bytes, place)).map((place) => ipv4At(bytes, ...place));
    return found.some(isSet) ? found.filter(isSet) : null;
  }
  if (within(address, sixToFour)) return [ipv4At(bytes, 2, 3, 4, 5)];
  if (within(address, teredo)) return [ipv4At(bytes, 4, 5, 6, 7), new ipaddr.IPv4(bytes.slice(12).map((byte) => byte ^ 0xff))];
  if (within(address, compatible) && bytes.slice(12, 15).some((byte) => byte !== 0)) return [last];
  return isIsatap(bytes) ? [last] : [];
};
