import { STATUS_CODES } from 'node:http';
import { nextTraceparent, traceIdOf } from '@cf/contract';
import type { Problem } from './problem.js';

export interface ProblemAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly traceId: string | null;
}

/** A problem as problem+json, whoever sends it: a route, the router or the bare connection. */
export const answerProblem = (problem: Problem, traceparent?: string | string[]): ProblemAnswer => {
  const given = typeof traceparent === 'string' ? traceIdOf(traceparent) : null;
  const traceId = given ?? traceIdOf(nextTraceparent(undefined));
  const { status, code, detail, errors } = problem;
  const title = STATUS_CODES[status] ?? 'Problem';
  return {
    status,
    headers: { 'content-type': 'application/problem+json; charset=utf-8', ...problem.headers },
    body: JSON.stringify({ type: 'about:blank', title, status, code, detail, errors, traceId }),
    traceId,
  };
};
