import { v5 } from 'uuid';
import { z } from 'zod';
import { sameId, uuid } from './ids.js';
import { rfc3339 } from './timestamp.js';
import { defineTopic } from './topic.js';

/**
 * Who did what to which thing; no secret and no body is ever in it. `orgId` is null for what concerns no organization.
 * `action` is `<thing>.<what was done>`, such as `registered-api.updated`; `outcome` is `refused` for what was not allowed.
 * `details` holds a few short facts, such as the names of the fields that changed.
 */
export const auditEvent = z.object({
  id: uuid,
  orgId: uuid.nullable(),
  at: rfc3339,
  actor: z.object({ type: z.enum(['operator', 'access-token', 'system']), id: z.string().nullable(), name: z.string().nullable() }),
  action: z.string(),
  outcome: z.enum(['done', 'refused']),
  subject: z.object({ type: z.string(), id: z.string() }),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())])),
});
export type AuditEvent = z.infer<typeof auditEvent>;

/** That a token was used: told at most once a minute by each process, kept once an hour. */
export const TOKEN_USED = 'access-token.used';

const TOKEN_USE_NAMESPACE = '1f6d3c1e-52a8-4c55-9d53-0a4be2f3c7a1';
const HOUR_MS = 60 * 60_000;

/** One id per token and hour, whoever tells it. */
export const tokenUseId = (tokenId: string, atMs: number): string =>
  v5(`${sameId(tokenId)}:${Math.floor(atMs / HOUR_MS)}`, TOKEN_USE_NAMESPACE);

export const auditEvents = defineTopic({
  name: 'audit.events',
  message: 'AuditEvent',
  schema: auditEvent,
  keyDescription: 'organization id',
  key: (event) => sameId(event.orgId ?? event.id),
  cleanup: 'delete',
  partitions: 'one',
  retentionMs: null,
  messageBytesMax: 64 * 1024,
  example: {
    id: 'f5b2a3d4-0000-4000-8000-0000000000bb',
    orgId: '0d1c7a52-8f1e-4a0e-9a63-0c6a1c6f5d11',
    at: '2026-11-22T15:04:05.123Z',
    actor: { type: 'access-token', id: 'd5b2a3d4-0000-4000-8000-0000000000cc', name: 'CRM' },
    action: 'execution.retried',
    outcome: 'done',
    subject: { type: 'execution', id: '2f2b7a52-8f1e-5a0e-9a63-0c6a1c6f5d99' },
    details: {},
  },
});
