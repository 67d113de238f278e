/** What the endpoint does, and how calls are spread over chats and functions. */
export interface Workload {
  readonly name: 'zero' | '50ms' | 'bimodal' | 'hang' | 'hot' | 'drain' | 'signed' | '100ms';
  readonly functions: number;
  /** Where function number n is called. */
  readonly pathOf: (index: number) => string;
  /** Share of calls that belong to one chat. */
  readonly hotShare: number;
  /** Calls a second that the endpoint allows 256 callers at most; null: as fast as it can. */
  readonly ceiling: number | null;
  /** Each call carries a signature, which peers know nothing of. */
  readonly signed?: boolean;
  readonly maxConcurrency?: number;
  /** So many calls, measured from the first to the last instead of for a time in between. */
  readonly drain?: number;
  /** Nest's transport and eachBatch are measured here too. */
  readonly framework?: boolean;
  /** Only when asked for by name. */
  readonly aside?: boolean;
}

const CONCURRENCY = 256;

export const workloads: readonly Workload[] = [
  { name: 'zero', functions: 1, pathOf: () => '/ok', hotShare: 0, ceiling: null, framework: true },
  { name: '50ms', functions: 1, pathOf: () => '/delay/50', hotShare: 0, ceiling: CONCURRENCY / 0.05, framework: true },
  { name: 'bimodal', functions: 1, pathOf: () => '/bimodal', hotShare: 0, ceiling: CONCURRENCY / (0.95 * 0.005 + 0.05 * 1) },
  { name: 'hang', functions: 20, pathOf: (index) => (index === 0 ? '/hang' : '/ok'), hotShare: 0, ceiling: null },
  { name: 'hot', functions: 1, pathOf: () => '/ok', hotShare: 0.5, ceiling: null },
  { name: 'drain', functions: 1, pathOf: () => '/delay/5', hotShare: 0, ceiling: null, drain: 60_000 },
  { name: 'signed', functions: 1, pathOf: () => '/ok', hotShare: 0, ceiling: null, signed: true, aside: true },
  // Triggers may use 80 % of 50.
  { name: '100ms', functions: 1, pathOf: () => '/delay/100', hotShare: 0, ceiling: 400, maxConcurrency: 50, aside: true },
];
