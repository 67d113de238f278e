import type { LogRecord, TopicPartition } from '../../src/log.js';
import type { Chance } from './chance.js';
import type { Scenario } from './scenario.js';
import { HANGING, orderKeyOf } from './simulated-work.js';
import type { Tally } from './tally.js';

export interface Written {
  readonly atMs: number;
  readonly to: TopicPartition;
  readonly gap: number;
  readonly record: Pick<LogRecord, 'key' | 'value' | 'headers' | 'timestampMs'>;
}

/** So many of one order key at once are a burst. */
const BURST = 8;

/** The records of one history: half of them are there at its beginning. */
export const drawTraffic = (chance: Chance, scenario: Scenario, topics: readonly string[], tally: Tally): Written[] => {
  const { records, partitions, functions, orderKeys, poison, hangingRecords, faultsUntilMs, faults, valueBytesMax } = scenario;
  let hanging = hangingRecords;
  let kills = poison;
  const atOnce = new Map<string, number>();
  return Array.from({ length: records }, () => {
    const isHanging = hanging > 0 && chance.hits(Math.max(0.3, hangingRecords / records));
    if (isHanging) hanging--;
    const isKiller = kills && !isHanging && chance.hits(0.2);
    if (isKiller) kills = false;
    const headers: Record<string, string> = { function: isHanging ? HANGING : `f${chance.between(1, functions)}` };
    if (orderKeys > 0 && chance.hits(0.9)) headers['chat'] = `c${chance.between(1, orderKeys)}`;
    if (isKiller) headers['kills'] = 'yes';
    else if (!isHanging && chance.hits(faults.callFailsForGood)) headers['refused'] = 'yes';
    const gap = chance.hits(faults.offsetGap) ? chance.between(1, 20) : 0;
    const chat = headers['chat'];
    const partition = chat === undefined ? chance.between(0, partitions - 1) : Number(chat.slice(1)) % partitions;
    const to = { topic: chance.oneOf(topics), partition };
    const atMs = chance.hits(0.5) ? 0 : chance.between(0, faultsUntilMs);
    const value = Buffer.alloc(chance.between(0, valueBytesMax));
    const record = { key: chat === undefined ? null : Buffer.from(chat), value, headers, timestampMs: atMs };
    if (atMs === 0 && chat !== undefined) {
      const key = `${to.topic}/${orderKeyOf(record)}`;
      const before = atOnce.get(key) ?? 0;
      atOnce.set(key, before + 1);
      if (before >= BURST) tally.count('keyBursts');
    }
    return { atMs, to, gap, record };
  });
};
