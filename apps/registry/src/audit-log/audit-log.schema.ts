import { z } from 'zod';
import { auditEvent, type AuditEvent, sameId, uuid, writtenTime } from '@cf/contract';
import { pageQuery, queryTime } from '@cf/service-kit';
import { line } from '../http/text.schema.js';
import type { ChainedEntry, Head } from './chain.js';

const WORD_CHARS_MAX = 100;
const ID_CHARS_MAX = 500;

const id = line(ID_CHARS_MAX).transform((text) => (uuid.safeParse(text).success ? sameId(text) : text));

export const listAuditLog = z.object({
  ...pageQuery,
  action: line(WORD_CHARS_MAX).optional(),
  /** The id of an access token, or `operator` or `system`. */
  actor: id.optional(),
  subjectType: line(WORD_CHARS_MAX).optional(),
  subjectId: id.optional(),
  outcome: z.enum(['done', 'refused']).optional(),
  'at[gte]': queryTime.optional(),
  'at[lt]': queryTime.optional(),
});
export type ListAuditLog = z.infer<typeof listAuditLog>;
export type AuditLogFilters = Omit<ListAuditLog, 'limit' | 'cursor'>;

export const auditLogCursor = z.strictObject({ sequence: z.int().min(1) });

/** A head that was noted down: `<sequence>:<hash>`. */
export const verifyAuditLog = z.object({
  head: z
    .string()
    .regex(/^\d{1,15}:[0-9a-f]{64}$/, 'must read `<sequence>:<hash>`')
    .transform((text): Head => ({ sequence: Number(text.slice(0, -65)), hash: text.slice(-64) }))
    .optional(),
});

export const entryAnswer = z
  .object({ sequence: z.int(), ...auditEvent.shape, at: writtenTime, hash: z.string() })
  .meta({ id: 'AuditEntry' });

export const verificationAnswer = z
  .object({
    valid: z.boolean(),
    head: z
      .object({ sequence: z.int(), hash: z.string() })
      .meta({ description: 'The last entry that holds. Note it down: only a noted head shows that later entries were cut off.' }),
    brokenAt: z.int().nullable(),
    reason: z.enum(['missing_entry', 'changed_entry', 'missing_end', 'other_hash']).nullable(),
  })
  .meta({ id: 'AuditLogVerification' });

export const answerEntry = ({ sequence, text, hash }: ChainedEntry): z.infer<typeof entryAnswer> => {
  const { id, at, orgId, actor, action, outcome, subject, details } = JSON.parse(text) as AuditEvent;
  return { sequence, id, at, orgId, actor, action, outcome, subject, details, hash };
};
