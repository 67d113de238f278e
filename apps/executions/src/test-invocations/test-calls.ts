import { Injectable } from '@nestjs/common';
import { type CloudFunction, type InvocationRequest, messageHeader, sameId, uuid } from '@cf/contract';
import { actorOf, type Principal, RegistryCache } from '@cf/registry-cache';
import { AuditTrail, notFound } from '@cf/service-kit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { executionDetailView } from '../query/execution-view.js';
import { giveHints } from './give-hints.js';
import { judgeTest } from './judge-test.js';
import { TestRunner } from './run-test.js';

const late = { code: 'not_finished', detail: 'it has not ended yet: ask for the execution' };

export interface TestCall {
  readonly cloudFunction: CloudFunction;
  /** The caller made its content, and may see the exchange. */
  readonly isOwn: boolean;
  readonly principal: Principal;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** Calls a function once for somebody who waits, and answers what came of it. */
@Injectable()
export class TestCalls {
  constructor(
    private readonly registry: RegistryCache,
    private readonly runner: TestRunner,
    private readonly audit: AuditTrail,
  ) {}

  /** As it was saved a moment ago, here and in the invoker. */
  async functionOf(orgId: string, id: string): Promise<{ cloudFunction: CloudFunction; configOffset: number }> {
    const configOffset = await this.registry.caughtUp();
    const cloudFunction = uuid.safeParse(id).success ? this.registry.cloudFunction(orgId, id) : undefined;
    if (cloudFunction === undefined) throw notFound('There is no such cloud function.');
    return { cloudFunction, configOffset };
  }

  async call(invocation: InvocationRequest, { cloudFunction, isOwn, principal, request, reply }: TestCall) {
    const { invocationId, kind, orgId } = invocation;
    await this.audit.record({
      orgId: sameId(orgId),
      actor: actorOf(principal),
      action: 'cloud-function.tested',
      outcome: 'done',
      subject: { type: 'cloud-function', id: cloudFunction.id },
      details: { kind, invocationId },
    });
    const traceparent = request.headers[messageHeader.traceparent];
    const ended = await this.runner.run(invocation, cloudFunction.timeoutMs, typeof traceparent === 'string' ? traceparent : undefined);
    if (ended === null) {
      reply.status(202).header('location', `/v1/orgs/${orgId}/executions/${invocationId}`);
      return { invocationId, execution: null, result: null, hints: [late] };
    }
    const { branchOptions, timeoutMs } = cloudFunction;
    const result = judgeTest(ended.row, branchOptions);
    const last = ended.attempts.at(-1) ?? null;
    const exchange = isOwn || last === null ? last : { ...last, responseHeaders: null, responseBody: null };
    const hints = giveHints({ result, exchange, timeoutMs, branchOptions });
    return { invocationId, execution: executionDetailView(ended, isOwn), result, hints };
  }
}
