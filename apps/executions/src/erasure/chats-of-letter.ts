import type { DeadLetter } from '@cf/contract';
import { chatHashOf } from './chat-hash.js';

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;
const ORGANIZATION = new RegExp(`"org(?:Id|-id)"\\s*:\\s*"(${UUID.source})"`, 'gi');

/** Ids in one letter; what holds more is no record of one chat. */
const IDS_MAX = 200;

/** Hashes of whatever could be a chat in a record that could not be read: each of its ids, in each organization that it names. */
export const chatsOfLetter = ({ key, headers, valueBase64 }: DeadLetter): string[] => {
  const said = [key ?? '', JSON.stringify(headers), Buffer.from(valueBase64 ?? '', 'base64').toString('latin1')].join('\n');
  const organizations = new Set([...said.matchAll(ORGANIZATION)].map(([, orgId]) => orgId ?? ''));
  const ids = [...new Set(said.match(UUID))].slice(0, IDS_MAX);
  return [...organizations].slice(0, IDS_MAX).flatMap((orgId) => ids.map((id) => chatHashOf(orgId, id)));
};
