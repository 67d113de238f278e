import { Problem } from '@cf/service-kit';
import type { ExecutionFilters } from './execution-filters.js';

const DAYS_MAX = 7;

const needsRange = (detail: string): Problem =>
  new Problem(400, 'text_needs_range', `A search in responses needs createdAt[gte] and createdAt[lt], at most ${DAYS_MAX} days apart.`, [
    { pointer: 'text', code: 'text_needs_range', detail },
  ]);

/** The time that a search in responses is about. Refused without the scope that may read them, and without bounds. */
export const approveTextSearch = (filters: ExecutionFilters, mayReveal: boolean): { from: string; to: string } => {
  if (!mayReveal) throw new Problem(403, 'missing_scope', 'A search in responses needs the scope executions:reveal.');
  const from = filters['createdAt[gte]'] ?? filters['createdAt[gt]'];
  const to = filters['createdAt[lt]'] ?? filters['createdAt[lte]'];
  if (from === undefined || to === undefined) throw needsRange('add createdAt[gte] and createdAt[lt]');
  if (Date.parse(to) - Date.parse(from) > DAYS_MAX * 24 * 60 * 60_000) throw needsRange('narrow createdAt');
  return { from, to };
};
