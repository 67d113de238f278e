/**
 * Which addresses are dialled for a customer (product.md §9), the first rule that applies:
 * 1. denied by the operator: never, whatever else allows it;
 * 2. allowed by the operator: yes;
 * 3. special: no;
 * 4. public: yes.
 *
 * An IPv6 address that carries an IPv4 address is judged by that one too, so that an allowed translator is no way to a private
 * network. The mapped form (::ffff:a.b.c.d) is dialled as IPv4: it is what the inner address is, except that it is never public.
 */
import ipaddr from 'ipaddr.js';
import { carriedIpv4, type Range, within } from './carried-ipv4.js';
import { type AddressRule, GLOBAL_UNICAST_IPV6, SPECIAL_IPV4, SPECIAL_IPV6 } from './special-addresses.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

const globalUnicast = ipaddr.parseCIDR(GLOBAL_UNICAST_IPV6);
const mapped = ipaddr.parseCIDR('::ffff:0:0/96');
const MAPPED_BITS = 96;

const special = [...SPECIAL_IPV4, ...SPECIAL_IPV6].map(([cidr, rule]) => [ipaddr.parseCIDR(cidr), rule] as const);

const innerOf = (address: ipaddr.IPv6): ipaddr.IPv4 => new ipaddr.IPv4(address.toByteArray().slice(12));

const isMapped = (address: Address): address is ipaddr.IPv6 => within(address, mapped);

/** An operator's CIDR; one of mapped addresses means the IPv4 addresses in them. */
const rangeOf = (cidr: string): Range => {
  const [network, bits] = ipaddr.parseCIDR(cidr);
  return isMapped(network) && bits >= MAPPED_BITS ? [innerOf(network), bits - MAPPED_BITS] : [network, bits];
};

const COMPATIBLE_TEXT = /^::(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})$/;

const parse = (text: string): Address | null => {
  if (!ipaddr.isValid(text)) return null;
  const inner = COMPATIBLE_TEXT.exec(text)?.[1];
  // ipaddr.js takes this form for a mapped address; the system dials IPv6.
  return inner === undefined ? ipaddr.parse(text) : new ipaddr.IPv6([...Array<number>(12).fill(0), ...ipaddr.IPv4.parse(inner).octets]);
};

const specialRule = (address: Address): AddressRule | null => {
  const found = special.find(([range]) => within(address, range));
  if (found !== undefined) return found[1];
  return address instanceof ipaddr.IPv6 && !within(address, globalUnicast) ? 'not_global_unicast' : null;
};

export interface OperatorLists {
  /** CIDRs that are dialled besides public addresses. */
  readonly allowed: readonly string[];
  /** CIDRs that are never dialled. */
  readonly denied: readonly string[];
}

/** Judges the address that is about to be dialled. */
export class AddressGuard {
  private readonly allowed: readonly Range[];
  private readonly denied: readonly Range[];

  constructor({ allowed, denied }: OperatorLists) {
    this.allowed = allowed.map(rangeOf);
    this.denied = denied.map(rangeOf);
  }

  /** The rule that forbids to dial this address; null when it may be dialled. */
  ruleAgainst(text: string): AddressRule | null {
    const address = parse(text);
    if (address === null) return 'not_an_address';
    if (isMapped(address)) return this.judge(address) === 'denied_by_operator' ? 'denied_by_operator' : this.judgeMapped(innerOf(address));
    return this.judge(address);
  }

  private judgeMapped(inner: ipaddr.IPv4): AddressRule | null {
    const rule = this.judge(inner);
    return rule !== null || this.allowed.some((range) => within(inner, range)) ? rule : 'embedded_ipv4';
  }

  private judge(address: Address): AddressRule | null {
    if (this.denied.some((range) => within(address, range))) return 'denied_by_operator';
    if (!this.allowed.some((range) => within(address, range))) {
      const rule = specialRule(address);
      if (rule !== null) return rule;
    }
    return address instanceof ipaddr.IPv6 ? this.judgeCarried(address) : null;
  }

  private judgeCarried(address: ipaddr.IPv6): AddressRule | null {
    const carried = carriedIpv4(address);
    if (carried === null) return 'embedded_ipv4';
    for (const inner of carried) {
      const rule = this.judge(inner);
      if (rule !== null) return rule === 'denied_by_operator' ? rule : 'embedded_ipv4';
    }
    return null;
  }
}
