import { Controller, Get, Param, Query, UseGuards } from '@nestjs/common';
import { executionStatus, type ExecutionStatus, sameId, writtenTime } from '@cf/contract';
import { RequireScope, TenantGuard } from '@cf/registry-cache';
import { Operation, parseQuery, Problem, TakesQuery } from '@cf/service-kit';
import { z } from 'zod';
import { executionFilters, type ExecutionFilters } from './execution-filters.js';
import { ExecutionsStatistics, type StatusCount } from './executions-statistics.repository.js';
import { bucketCount, BUCKETS_MAX, fittingInterval, type Interval, intervals } from './time-buckets.js';

/** Of a question that says no beginning. */
const DEFAULT_RANGE_MS = 24 * 60 * 60_000;
/** Postgres has no year 0. */
const FIRST_MS = Date.parse('0001-01-01T00:00:00Z');

const countsQuery = executionFilters.extend({ by: z.enum(['status', 'failureReason', 'cloudFunctionId']).default('status') });
const histogramQuery = executionFilters.extend({ interval: z.enum(Object.keys(intervals) as [Interval, ...Interval[]]).optional() });

const range = { from: writtenTime, to: writtenTime };
const countsAnswer = z.object({
  by: countsQuery.shape.by.unwrap(),
  ...range,
  data: z.array(z.object({ value: z.string().nullable(), count: z.int() })),
  truncated: z.boolean(),
});
const histogramAnswer = z.object({
  interval: histogramQuery.shape.interval.unwrap(),
  ...range,
  data: z.array(z.object({ from: writtenTime, count: z.int(), byStatus: z.partialRecord(executionStatus, z.int()) })),
});

/** The filters with a beginning and an end, and the first millisecond after all that they count. */
const bounded = (given: ExecutionFilters): { filters: ExecutionFilters; from: string; to: string; endMs: number } => {
  const end = given['createdAt[lt]'] ?? given['createdAt[lte]'];
  const to = end ?? new Date().toISOString();
  const begin = given['createdAt[gte]'] ?? given['createdAt[gt]'];
  const from = begin ?? new Date(Math.max(Date.parse(to) - DEFAULT_RANGE_MS, FIRST_MS)).toISOString();
  const filters = {
    ...given,
    ...(begin === undefined ? { 'createdAt[gte]': from } : {}),
    ...(end === undefined ? { 'createdAt[lte]': to } : {}),
  };
  return { filters, from, to, endMs: Date.parse(to) + (given['createdAt[lt]'] === undefined ? 1 : 0) };
};

const bucketsOf = (counts: readonly StatusCount[], firstMs: number, intervalMs: number, count: number) => {
  const byTime = new Map<number, Partial<Record<ExecutionStatus, number>>>();
  for (const { at, status, count: of } of counts) byTime.set(at.getTime(), { ...byTime.get(at.getTime()), [status]: of });
  return Array.from({ length: count }, (_, index) => {
    const startMs = firstMs + index * intervalMs;
    const byStatus = byTime.get(startMs) ?? {};
    const total = Object.values(byStatus).reduce((sum, of) => sum + of, 0);
    return { from: new Date(startMs).toISOString(), count: total, byStatus };
  });
};

@Controller('v1/orgs/:orgId/executions')
@UseGuards(TenantGuard)
@RequireScope('executions:read')
export class ExecutionsStatisticsController {
  constructor(private readonly statistics: ExecutionsStatistics) {}

  @Get('counts')
  @TakesQuery(countsQuery)
  @Operation({
    summary: 'Count executions by a property',
    description: 'Of the last day unless a time is given. The 100 largest groups are shown; `truncated` says whether there are more.',
    answer: countsAnswer,
    problems: ['query_too_broad'],
  })
  async counts(@Param('orgId') orgId: string, @Query() query: unknown): Promise<z.infer<typeof countsAnswer>> {
    const { by, ...given } = parseQuery(countsQuery, query);
    const { filters, from, to } = bounded(given);
    const { groups, truncated } = await this.statistics.counts(sameId(orgId), filters, by);
    return { by, from, to, data: groups, truncated };
  }

  @Get('histogram')
  @TakesQuery(histogramQuery)
  @Operation({
    summary: 'Count executions over time',
    description: 'Of the last day unless a time is given; by the smallest interval that a chart shows well unless one is given.',
    answer: histogramAnswer,
    problems: ['query_too_broad', 'too_many_buckets'],
  })
  async histogram(@Param('orgId') orgId: string, @Query() query: unknown): Promise<z.infer<typeof histogramAnswer>> {
    const { interval: wanted, ...given } = parseQuery(histogramQuery, query);
    const { filters, from, to, endMs } = bounded(given);
    const fromMs = Date.parse(from);
    const interval = wanted ?? fittingInterval(fromMs, endMs);
    const intervalMs = intervals[interval];
    const count = Math.max(0, bucketCount(fromMs, endMs, intervalMs));
    if (count > BUCKETS_MAX) {
      throw new Problem(400, 'too_many_buckets', `At most ${BUCKETS_MAX} intervals: choose a wider one or a shorter time.`, [
        { pointer: 'interval', code: 'too_many_buckets', detail: `makes ${count} intervals` },
      ]);
    }
    const firstMs = Math.floor(fromMs / intervalMs) * intervalMs;
    const counts = await this.statistics.histogram(sameId(orgId), filters, new Date(firstMs).toISOString(), intervalMs);
    return { interval, from, to, data: bucketsOf(counts, firstMs, intervalMs, count) };
  }
}
