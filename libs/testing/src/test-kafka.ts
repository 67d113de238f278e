import { describe } from '@jest/globals';

/** The Kafka broker that the test run started; null where none can run. Topics and groups need names of their own. */
export const testKafka = (): { brokers: string } | null => {
  const brokers = process.env['CF_TEST_KAFKA'];
  return brokers ? { brokers } : null;
};

/** `describe` for promises that only a real Kafka can show. Without one it is skipped, said aloud and counted; with CI=true it fails. */
export const describeOnKafka = (name: string, specs: () => void): void => {
  if (testKafka()) return describe(name, specs);
  const reason = process.env['CF_TEST_KAFKA_MISSING'] ?? 'the test run started none';
  if (process.env['CI'] === 'true') throw new Error(`"${name}" needs Kafka: ${reason}`);
  process.stderr.write(`\nSKIPPED without Kafka: ${name} (${reason})\n`);
  describe.skip(name, specs);
};
