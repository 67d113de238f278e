import type { WindowQuota } from '../../src/parallel-consumer-options.js';
import type { Chance } from './chance.js';

/** What a seed stands for: the shape of the work and how much of each fault there is. */
export interface Scenario {
  readonly topics: number;
  readonly partitions: number;
  readonly processes: number;
  readonly records: number;
  readonly orderKeys: number;
  readonly functions: number;
  /** Calls of a function that takes 30 s for each, as long as a call may; 0: there is none. Many fill the window, unless a quota keeps them from it. */
  readonly hangingRecords: number;
  /** A record that kills whoever starts it. */
  readonly poison: boolean;
  /** Nothing else ends a process or its membership, so nothing else may be taken for the killer. */
  readonly isPoisonAlone: boolean;
  readonly onRevoke: 'drain' | 'complete-running';
  readonly drainTimeoutMs: number;
  readonly maxInFlight: number;
  readonly bulkheadLimit: number;
  readonly maxBufferedRecords: number;
  readonly maxBufferedBytes: number;
  /** The largest value of a record. */
  readonly valueBytesMax: number;
  readonly fetchMax: number;
  readonly quota: WindowQuota | null;
  /** Handlers give their slot back when their call is over, before what follows is acknowledged. */
  readonly yieldsSlots: boolean;
  readonly callMs: number;
  readonly faultsUntilMs: number;
  readonly faults: Faults;
}

/** Probabilities: of one request or call, and for `crash` … `clockJump` of one glance at the cluster, every 250 ms. */
export interface Faults {
  readonly requestLost: number;
  readonly replyLost: number;
  readonly slowReply: number;
  readonly callFails: number;
  readonly callFailsForGood: number;
  readonly publishFails: number;
  readonly preparationFails: number;
  readonly metadataGarbled: number;
  /** The coordinator moves or loads: it refuses for a moment. */
  readonly commitRefused: number;
  readonly offsetGap: number;
  readonly deliveredAgain: number;
  readonly crash: number;
  readonly freeze: number;
  readonly join: number;
  readonly leave: number;
  readonly retention: number;
  readonly limitChange: number;
  readonly clockJump: number;
}

export const drawScenario = (chance: Chance): Scenario => {
  const calm = chance.hits(0.1);
  /** Each seed has some of the faults, so that the others do not hide what one of them does. */
  const fault = (probability: number): number => (calm || chance.hits(0.5) ? 0 : probability * (0.3 + chance.next()));
  const poison = !calm && chance.hits(0.08);
  const isPoisonAlone = poison && chance.hits(0.5);
  const deadly = (probability: number): number => (isPoisonAlone ? 0 : fault(probability));
  const maxBufferedRecords = chance.oneOf([8, 30, 200]);
  const hasLargeRecords = chance.hits(0.3);
  const records = chance.between(10, 120);
  const quota = chance.hits(0.4) ? { callMs: 2_500, worksOffMs: chance.oneOf([100, 10_000, 60_000]) } : null;
  const isCrowd = quota !== null && chance.hits(0.2);
  return {
    topics: chance.hits(0.2) ? 2 : 1,
    partitions: chance.between(1, 4),
    processes: chance.between(1, 3),
    records,
    orderKeys: chance.oneOf([0, 2, 5, 40]),
    functions: chance.between(1, 5),
    hangingRecords: isCrowd ? Math.floor(records / 2) : chance.hits(0.2) ? chance.between(1, 4) : 0,
    poison,
    isPoisonAlone,
    onRevoke: chance.hits(0.7) ? 'drain' : 'complete-running',
    drainTimeoutMs: chance.oneOf([100, 600, 2_000]),
    maxInFlight: chance.oneOf([1, 3, 8, 20]),
    bulkheadLimit: chance.oneOf([1, 2, 5]),
    maxBufferedRecords,
    maxBufferedBytes: hasLargeRecords ? 40_000 : 1e9,
    valueBytesMax: hasLargeRecords ? 8_000 : 0,
    fetchMax: chance.oneOf([1, maxBufferedRecords / 4, maxBufferedRecords / 2]),
    quota,
    yieldsSlots: chance.hits(0.6),
    callMs: chance.oneOf([5, 50, 400]),
    faultsUntilMs: chance.between(1_000, 8_000),
    faults: {
      requestLost: deadly(0.1),
      replyLost: deadly(0.1),
      slowReply: fault(0.2),
      callFails: fault(0.2),
      callFailsForGood: fault(0.1),
      publishFails: fault(0.2),
      preparationFails: fault(0.3),
      metadataGarbled: deadly(0.3),
      commitRefused: fault(0.2),
      offsetGap: fault(0.3),
      deliveredAgain: fault(0.2),
      crash: deadly(0.1),
      freeze: deadly(0.08),
      join: fault(0.1),
      leave: deadly(0.08),
      retention: fault(0.05),
      limitChange: fault(0.2),
      clockJump: fault(0.1),
    },
  };
};
