import { type DeadLetter, sameId } from '@cf/contract';
import { chatHashOf } from './chat-hash.js';

/** What a record that could not be read names, as far as that can be told. */
export interface NamedIds {
  /** Whatever could be a chat. Bounded by what a letter may hold. */
  readonly ids: readonly string[];
  readonly organizationIds: readonly string[];
}

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
/** Looks ahead, so that an id that begins within another is found too. */
const ANY_ID = new RegExp(`(?=(${UUID}))`, 'gi');
const ORGANIZATION_ID = new RegExp(`"org(?:Id|-id)"\\s*:\\s*"(${UUID})"`, 'gi');

/** A record is of one organization; its headers and its body may not agree. What names more is no record of one chat. */
const ORGANIZATIONS_MAX = 8;

const idsIn = (text: string, pattern: RegExp): string[] => [...new Set(Array.from(text.matchAll(pattern), ([, id]) => sameId(id ?? '')))];

/** Its value may be text of any kind, bytes, or not even base64: it is looked at both ways, and nothing in it can fail. */
export const namedIn = ({
  key,
  detail,
  headers,
  valueBase64,
}: Pick<DeadLetter, 'key' | 'detail' | 'headers' | 'valueBase64'>): NamedIds => {
  const value = valueBase64 ?? '';
  const said = [key ?? '', detail, JSON.stringify(headers), value, Buffer.from(value, 'base64').toString('latin1')].join('\n');
  return { ids: idsIn(said, ANY_ID), organizationIds: idsIn(said, ORGANIZATION_ID) };
};

/** Hashes of each id as a chat in each organization that is named, or in none. */
export const chatHashesOf = ({ ids, organizationIds }: NamedIds): string[] => {
  const owners = organizationIds.length === 0 ? [null] : organizationIds.slice(0, ORGANIZATIONS_MAX);
  return owners.flatMap((orgId) => ids.map((id) => chatHashOf(orgId, id)));
};
