import { Controller, Get, Header, HttpCode, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { Health } from './health.js';
import { Operation } from './openapi/operation.js';
import { Metrics } from './metrics.js';

const live = z.object({ status: z.literal('live') });
const readiness = z.object({
  status: z.enum(['ready', 'not_ready']),
  parts: z.record(z.string(), z.object({ ok: z.boolean(), detail: z.string() })),
});

/** What ops and load balancers ask every process for; no token needed. */
@Controller()
export class OperationsController {
  constructor(
    private readonly health: Health,
    private readonly metrics: Metrics,
  ) {}

  @Get('health/live')
  @HttpCode(200)
  @Operation({ summary: 'Say that the process runs', answer: live })
  live(): z.infer<typeof live> {
    return { status: 'live' };
  }

  @Get('health/ready')
  @Operation({
    summary: 'Say whether the process takes work',
    description: 'With a reason for each part; 503 when one is not well.',
    answer: readiness,
    otherAnswers: { 503: readiness },
  })
  ready(@Res({ passthrough: true }) reply: FastifyReply): z.infer<typeof readiness> {
    const { ready, parts } = this.health.report();
    void reply.status(ready ? 200 : 503);
    return { status: ready ? 'ready' : 'not_ready', parts };
  }

  @Get('metrics')
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  @Operation({ summary: 'Read the metrics', description: 'In the text format of Prometheus.', answer: 'text/plain' })
  async scrape(): Promise<string> {
    return this.metrics.registry.metrics();
  }
}
