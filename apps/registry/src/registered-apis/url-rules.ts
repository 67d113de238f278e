import { isIP } from 'node:net';
import { AddressGuard } from '@cf/service-kit';
import type { Refusal } from './header-rules.js';

export interface OutboundPolicy {
  readonly allowHttp: boolean;
  /** CIDRs that are allowed besides public addresses. */
  readonly allowedAddresses: readonly string[];
  /** CIDRs that are refused although they are public or allowed. */
  readonly deniedAddresses: readonly string[];
}

const refusal = (code: string, detail: string): Refusal => ({ code, detail });

const parse = (text: string): URL | null => {
  try {
    return new URL(text);
  } catch {
    return null;
  }
};

/** A DNS name's label; underscores are in use though no host name may have them. */
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
const HOST_CHARS_MAX = 253;

const isHost = (hostname: string): boolean => {
  if (hostname.startsWith('[')) return true;
  const name = hostname.replace(/\.$/, '');
  return name.length <= HOST_CHARS_MAX && name.split('.').every((label) => LABEL.test(label));
};

/** What makes a text no URL that can be called, whoever runs this. The text is checked before it is parsed, since a URL parser mends what it reads. */
const refuseForm = (text: string, code: string): Refusal | null => {
  if (!/^https?:\/\/[^/]/i.test(text)) return refusal(code, 'must begin with https://');
  if (/[\p{Cc}\p{Cs}\s\\]/u.test(text)) return refusal(code, 'must not hold white space, control characters or backslashes');
  if (text.includes('#')) return refusal(code, 'must not hold a fragment');
  const [, authority = '', path = ''] = /^https?:\/\/([^/?]*)([^?]*)/i.exec(text) ?? [];
  if (authority.includes('@')) return refusal(code, 'must not hold user info; use the authorization');
  if (/%2e/i.test(path) || path.split('/').some((segment) => segment === '.' || segment === '..')) {
    return refusal(code, 'must not hold `.` or `..` segments');
  }
  const url = parse(text);
  if (url === null) return refusal(code, 'is not a URL');
  if (!isHost(url.hostname)) return refusal(code, 'names no host');
  return url.port === '0' ? refusal(code, 'names a port that nothing listens on') : null;
};

const refuseTarget = (text: string, { allowHttp, allowedAddresses, deniedAddresses }: OutboundPolicy): Refusal | null => {
  const url = new URL(text);
  if (url.protocol === 'http:' && !allowHttp) return refusal('https_required', 'must begin with https://');
  // The parser has already read hex, octal and short forms.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (isIP(host) === 0) return null;
  const guard = new AddressGuard({ allowed: allowedAddresses, denied: deniedAddresses });
  return guard.ruleAgainst(host) === null ? null : refusal('blocked_address', 'address not allowed');
};

/** Says why a base URL is refused. Names are judged when they are dialled; a literal address is judged here already. */
export const refuseBaseUrl = (text: string, policy: OutboundPolicy): Refusal | null => {
  const form = refuseForm(text, 'invalid_base_url');
  if (form !== null) return form;
  return text.includes('?') ? refusal('invalid_base_url', 'must not hold a query') : refuseTarget(text, policy);
};

/** Says why an OAuth token URL is refused: as a base URL is, but it may have a query (RFC 6749 §3.2). */
export const refuseTokenUrl = (text: string, policy: OutboundPolicy): Refusal | null =>
  refuseForm(text, 'invalid_token_url') ?? refuseTarget(text, policy);

/** Where secrets are sent: another scheme, host or port is somebody else. */
export const sameOrigin = (one: string, other: string): boolean => new URL(one).origin === new URL(other).origin;
