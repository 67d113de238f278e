import { Injectable } from '@nestjs/common';
import { type AccessToken, type AuditEvent, TOKEN_USED, tokenUseId } from '@cf/contract';
import { AuditTrail, Metrics } from '@cf/service-kit';
import type { FastifyRequest } from 'fastify';
import { OncePerWindow } from './once-per-window.js';
import type { Principal } from './principal.js';

const WINDOW_MS = 60_000;
/** Active tokens of one process in a minute; beyond it `lastUsedAt` is older than it could be. */
const TOKENS_MAX = 100_000;
/** Kinds of refusals of known tokens in a minute: few tokens times few routes, unless somebody is looking for holes. */
const REFUSALS_MAX = 1_000;
/** Anybody can make up tokens, so what unknown ones write is bounded tightly; the metric counts them all. */
const STRANGERS_MAX = 20;
/** Enough to tell tokens apart, too few to look one up by. */
const FINGERPRINT_CHARS = 12;

/** What is told of a caller who is known. */
interface Known {
  readonly orgId: string;
  readonly actor: AuditEvent['actor'];
}

const knownOf = (caller: AccessToken | Extract<Principal, { type: 'access-token' }>): Known => ({
  orgId: caller.orgId,
  actor: { type: 'access-token', id: 'tokenId' in caller ? caller.tokenId : caller.id, name: caller.name },
});

const routeOf = (request: FastifyRequest): string => `${request.method} ${request.routeOptions.url ?? ''}`;

/** What the guards tell the audit log: that tokens are used, and who was refused what. Nobody waits for it. */
@Injectable()
export class AccessTrail {
  private readonly uses = new OncePerWindow(WINDOW_MS, TOKENS_MAX);
  private readonly refusals = new OncePerWindow(WINDOW_MS, REFUSALS_MAX);
  private readonly strangers = new OncePerWindow(WINDOW_MS, STRANGERS_MAX);
  private readonly counted;

  constructor(
    private readonly audit: AuditTrail,
    metrics: Metrics,
  ) {
    this.counted = metrics.counter('cf_access_refused_total', 'Requests refused because of who asked, by code', ['code']);
  }

  used(token: AccessToken): void {
    const nowMs = Date.now();
    if (!this.uses.isFirst(token.id, nowMs)) return;
    const subject = { type: 'access-token', id: token.id };
    this.audit.note({ ...knownOf(token), id: tokenUseId(token.id, nowMs), action: TOKEN_USED, outcome: 'done', subject, details: {} });
  }

  /** Told to the caller's own organization, whatever it asked for: nobody writes into the log of another. */
  refused(
    caller: AccessToken | Extract<Principal, { type: 'access-token' }>,
    request: FastifyRequest,
    code: string,
    details: AuditEvent['details'] = {},
  ): void {
    this.counted.inc({ code });
    const { orgId, actor } = knownOf(caller);
    if (this.refusals.isFirst(`${actor.id}/${code}/${routeOf(request)}`, Date.now()))
      this.note(orgId, actor, request, { code, ...details });
  }

  /** Somebody with a token that looks right and is not known. Its hash lets the owner of a token find it. */
  strangerRefused(type: 'operator' | 'access-token', tokenHash: Buffer, request: FastifyRequest, code: string): void {
    this.counted.inc({ code });
    const fingerprint = tokenHash.toString('hex').slice(0, FINGERPRINT_CHARS);
    if (!this.strangers.isFirst(fingerprint, Date.now())) return;
    this.note(null, { type, id: null, name: null }, request, { code, fingerprint });
  }

  private note(orgId: string | null, actor: AuditEvent['actor'], request: FastifyRequest, details: AuditEvent['details']): void {
    const subject = { type: 'route', id: routeOf(request) };
    this.audit.note({ orgId, actor, action: 'access.refused', outcome: 'refused', subject, details });
  }
}
