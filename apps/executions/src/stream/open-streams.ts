import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { sameId } from '@cf/contract';
import { type Principal, RegistryCache } from '@cf/registry-cache';
import { Health, Metrics, Problem } from '@cf/service-kit';
import type { FastifyReply } from 'fastify';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import { type CutOffReason, EventStream } from './event-stream.js';

/** A shutdown waits for open answers, and a revoked token reads on for this long at most. */
const LOOK_EVERY_MS = 250;

interface OpenStream {
  readonly stream: EventStream;
  readonly orgId: string;
  readonly principal: Principal;
}

/** The streams of this process: how many each organization has, and when they end without their reader's doing. */
@Injectable()
export class OpenStreams implements OnApplicationBootstrap {
  private readonly open = new Set<OpenStream>();
  private timers: NodeJS.Timeout[] = [];
  private readonly cut;

  constructor(
    private readonly registry: RegistryCache,
    private readonly health: Health,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
    metrics: Metrics,
  ) {
    metrics.gauge('cf_executions_streams_open', 'Live streams of this process', [], (gauge) => gauge.set(this.open.size));
    this.cut = metrics.counter('cf_executions_streams_cut_off_total', 'Live streams that were ended from our side, by reason', ['reason']);
  }

  onApplicationBootstrap(): void {
    const beat = (): void => this.open.forEach(({ stream }) => stream.heartbeat());
    this.timers = [
      setInterval(() => this.look(), LOOK_EVERY_MS).unref(),
      setInterval(beat, this.config.EXECUTIONS_STREAM_HEARTBEAT_MS).unref(),
    ];
  }

  stop(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  /** Call right before `begin`: up to there a refusal is an ordinary answer. */
  admit(orgId: string): void {
    const most = this.config.EXECUTIONS_STREAMS_PER_ORGANIZATION_MAX;
    if ([...this.open].filter((one) => one.orgId === sameId(orgId)).length < most) return;
    throw new Problem(429, 'too_many_streams', `The organization has ${most} open streams here already.`, [], { 'retry-after': '10' });
  }

  begin(orgId: string, principal: Principal, reply: FastifyReply): EventStream {
    const one = { stream: new EventStream(reply), orgId: sameId(orgId), principal };
    this.open.add(one);
    one.stream.onClose(() => this.open.delete(one));
    return one.stream;
  }

  cutOff(stream: EventStream, reason: CutOffReason): void {
    if (!stream.isOpen) return;
    this.cut.inc({ reason });
    stream.cutOff(reason);
  }

  private look(): void {
    for (const one of this.open) {
      const { stream, orgId, principal } = one;
      if (stream.isGone) this.open.delete(one);
      const reason = this.health.isDraining ? 'shutting_down' : this.mayRead(orgId, principal) ? null : 'token_ended';
      if (reason !== null) this.cutOff(stream, reason);
    }
  }

  private mayRead(orgId: string, principal: Principal): boolean {
    if (principal.type === 'operator') return true;
    const token = this.registry.accessToken(orgId, principal.tokenId);
    if (token === undefined || !token.scopes.includes('executions:read')) return false;
    return token.expiresAt === null || Date.parse(token.expiresAt) > Date.now();
  }
}
