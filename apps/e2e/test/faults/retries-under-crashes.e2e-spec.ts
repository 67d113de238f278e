/**
 * Real: every service as its own process, Kafka, Postgres, `kill -9` of executions, of Postgres and of the broker in a random order while
 * triggers fail and are retried. The witness is the endpoint's own log, judged by the checker; `npm run chaos` is the same, longer.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { describeOnKafka } from '@cf/testing';
import { checkCalls } from '../../../../tools/checker/check-calls.js';
import { readFacts } from '../../../../tools/checker/facts-folder.js';
import { runChaos } from '../../../../tools/chaos/run-chaos.js';

const TRIGGERS = 2_000;

describeOnKafka('retries under crashes', () => {
  it('end each, lose none and call none more often than its policy and the faults allow', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cf-chaos-facts-'));
    await runChaos({ folder, triggers: TRIGGERS, perSecond: 150, faultEveryMs: 2_000 });
    const facts = readFacts(folder);
    const { violations, figures } = checkCalls(facts);
    expect({ violations, figures, folder }).toMatchObject({ violations: [], figures: { accepted: TRIGGERS, waiting: 0 } });
    expect(new Set(facts.faults.map(({ kind }) => kind)).size).toBe(3);
    rmSync(folder, { recursive: true, force: true });
  }, 400_000);
});
