// Jest's globals by type only: the rest of this library is also used outside of Jest, where importing them throws.
/// <reference types="jest" />
import { randomUUID } from 'node:crypto';
import type { MessageLog } from '@cf/messaging';
import type { LogFixture } from './log-fixture.js';
import { describeCompaction } from './message-log-compaction.conformance.js';
import { describeGroups } from './message-log-groups.conformance.js';
import { describePublishing } from './message-log-publishing.conformance.js';
import { describeReading } from './message-log-reading.conformance.js';

export interface LogUnderTest {
  /** A started client; the same one every time where the engine allows one owner only. */
  log(): Promise<MessageLog>;
  /** A started client that has seen nothing yet. All others are closed first. */
  reopened(): Promise<MessageLog>;
  dispose(): Promise<void>;
}

/** Engines that elect leaders and move members between processes need seconds where others need milliseconds. */
const TEST_TIMEOUT_MS = 90_000;

/** Holds an adapter to the text of the port (`libs/messaging/src/log.ts`). */
export const describeMessageLog = (name: string, create: () => Promise<LogUnderTest>): void => {
  describe(name, () => {
    let underTest: LogUnderTest | undefined;
    beforeAll(async () => {
      underTest = await create();
    }, TEST_TIMEOUT_MS);
    afterAll(() => underTest?.dispose(), TEST_TIMEOUT_MS);

    const created = (): LogUnderTest => {
      if (underTest === undefined) throw new Error('the log could not be created');
      return underTest;
    };
    const fixture: LogFixture = {
      log: () => created().log(),
      reopened: () => created().reopened(),
      topic: async (spec) => {
        const topic = `conformance-${randomUUID()}`;
        const log = await created().log();
        await log.ensureTopics([
          { name: topic, partitions: 1, cleanup: 'delete', retentionMs: null, messageBytesMax: 1024 * 1024, ...spec },
        ]);
        return topic;
      },
    };
    const test = (promise: string, run: (fixture: LogFixture) => Promise<void>): void => it(promise, () => run(fixture), TEST_TIMEOUT_MS);
    describePublishing(test);
    describeReading(test);
    describeCompaction(test);
    describeGroups(test);
  });
};
