/**
 * Each organization has a chain of audit entries, counted from 1. An entry's hash is the SHA-256 of the hash before it and the
 * entry's own canonical JSON, its sequence number included, so an entry cannot be changed, added, moved or left out without every
 * later hash changing too. The first one follows 64 zeros.
 *
 * Entries cut off at the end leave a chain that is whole: only somebody who noted the head (its sequence and hash) sees that they
 * are missing. What concerns no organization has a chain of its own, which operators read.
 */
import { createHash } from 'node:crypto';
import { type AuditEvent, sameId, uuid } from '@cf/contract';
import { canonicalJson } from './canonical-json.js';

export interface Head {
  readonly sequence: number;
  readonly hash: string;
}

/** `text` is the canonical JSON that was hashed; it is stored and answered as it is. */
export interface ChainedEntry extends Head {
  readonly text: string;
}

export const EMPTY_CHAIN: Head = { sequence: 0, hash: '0'.repeat(64) };

/** The chain of what concerns no organization. */
export const OPERATORS_CHAIN = '00000000-0000-0000-0000-000000000000';

export const chainOf = ({ orgId }: Pick<AuditEvent, 'orgId'>): string => (orgId === null ? OPERATORS_CHAIN : sameId(orgId));

export const hashAfter = (previousHash: string, text: string): string =>
  createHash('sha256').update(previousHash).update(text).digest('hex');

/** Ids have one form, so that one filter finds them; what is no id stays as it is. */
const inOneForm = (id: string): string => (uuid.safeParse(id).success ? sameId(id) : id);

export const chainEntry = (head: Head, event: AuditEvent): ChainedEntry => {
  const sequence = head.sequence + 1;
  const { subject, actor } = event;
  const text = canonicalJson({
    ...event,
    sequence,
    id: sameId(event.id),
    orgId: event.orgId === null ? null : sameId(event.orgId),
    actor: { ...actor, id: actor.id === null ? null : inOneForm(actor.id) },
    subject: { ...subject, id: inOneForm(subject.id) },
  });
  return { sequence, hash: hashAfter(head.hash, text), text };
};
