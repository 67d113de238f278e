import { Body, Controller, Header, HttpCode, Param, Post, Req, Res, UseGuards } from '@nestjs/common';
import { FUNCTION_TIMEOUT_MS, messageHeader, STEP_GATEWAY_MARGIN_MS, stepDeadlineMs, stepResult } from '@cf/contract';
import { Idempotent } from '@cf/idempotency';
import { RegistryCache, RequireScope, TenantGuard } from '@cf/registry-cache';
import { Operation, Problem } from '@cf/service-kit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { readStepRequest, stepRequestBody, stepRequestExample } from './read-step-request.js';
import { singleHeader } from './single-header.js';
import { StepRequestsPublisher } from './step-requests.publisher.js';
import { StepResultsReader } from './step-results.reader.js';

@Controller('v1/orgs/:orgId/step-executions')
@UseGuards(TenantGuard)
@Idempotent()
export class StepExecutionsController {
  constructor(
    private readonly registry: RegistryCache,
    private readonly requests: StepRequestsPublisher,
    private readonly results: StepResultsReader,
  ) {}

  /** Answers with the step result as it was written, whatever its outcome; the step goes on when the caller hangs up. */
  @Post()
  @HttpCode(200)
  @RequireScope('step-executions:run')
  @Header('content-type', 'application/json; charset=utf-8')
  @Operation({
    summary: 'Run a step',
    description: 'Answers every outcome, failed ones too, with the step result. The same request id within 10 minutes is the same run.',
    body: { 'application/json': stepRequestBody },
    example: stepRequestExample,
    answer: stepResult,
    problems: ['invalid_request', 'log_unavailable', 'too_busy', 'too_many_waiting', 'no_result'],
  })
  async run(
    @Param('orgId') orgId: string,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const step = readStepRequest(body, orgId);
    const waiter = this.results.expect(orgId, step.requestId);
    reply.raw.once('close', waiter.free);
    try {
      await this.requests.publish(step, singleHeader(request, messageHeader.traceparent));
      // Until the registry is asked a new function may be unknown here; the executor may know it and its longest timeout.
      const timeoutMs = this.registry.cloudFunction(orgId, step.cloudFunctionId)?.timeoutMs ?? FUNCTION_TIMEOUT_MS.max;
      // A deadline that has passed has a result too, a moment later.
      const deadlineMs = Math.max(stepDeadlineMs(step, Date.now(), timeoutMs), Date.now());
      const result = await waiter.until(deadlineMs + STEP_GATEWAY_MARGIN_MS);
      if (result === null)
        throw new Problem(504, 'no_result', 'No result came until 2 s after the deadline; the same request id asks for it again.');
      return result.toString('utf8');
    } finally {
      waiter.free();
    }
  }
}
