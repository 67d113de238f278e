import { sameId } from '@cf/contract';
import type { WholeDeadLetter } from './dead-letter-view.js';

const NAMED = /"org(?:Id|-id)"\s*:\s*"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"/gi;

/** The organization that a record which could not be read names; null when it names none, or several: then it is nobody's alone. */
export const organizationOf = ({ headers, valueBase64 }: Pick<WholeDeadLetter, 'headers' | 'valueBase64'>): string | null => {
  const said = `${JSON.stringify(headers)}\n${Buffer.from(valueBase64 ?? '', 'base64').toString('latin1')}`;
  const named = new Set([...said.matchAll(NAMED)].map(([, orgId]) => sameId(orgId ?? '')));
  const [first = null] = named;
  return named.size === 1 ? first : null;
};
