import { fork } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Starts what the specs share (services.ts) and tells them by `CF_TEST_…` variables. With CI=true a missing Kafka fails the run. */
export default async function setUp(globalConfig) {
  const needsKafka =
    !process.env.CF_TEST_NO_KAFKA &&
    selectedSpecs(globalConfig).some((path) => /kafka|onBothLogs/i.test(path + readFileSync(path, 'utf8')));
  const services = fork(fileURLToPath(new URL('services.ts', import.meta.url)), needsKafka ? ['kafka'] : [], {
    execArgv: [
      '--import',
      new URL('../from-source.mjs', import.meta.url).href,
      '--conditions=@cf/source',
      '--disable-warning=ExperimentalWarning',
      '--disable-warning=TimeoutNegativeWarning',
    ],
    // Its own session: a Ctrl-C reaches it only through the closed channel, after the specs.
    detached: true,
  });
  globalThis.sharedServices = services;
  const answer = await new Promise((resolve, reject) => {
    services.once('message', resolve);
    services.once('exit', () => reject(new Error('the services that tests share ended before they were up')));
  });
  if (answer.error) throw new Error(`the services that tests share did not start: ${answer.error}`);
  if (needsKafka && process.env.CI === 'true' && !answer.CF_TEST_KAFKA) {
    throw new Error(`with CI=true the specs on Kafka must run, but there is none: ${answer.CF_TEST_KAFKA_MISSING}`);
  }
  Object.assign(process.env, answer);
}

/** The spec files that the command line selects, judged by their paths alone. */
const selectedSpecs = ({ rootDir, testPathPatterns }) => {
  const patterns = (testPathPatterns?.patterns ?? []).map((pattern) => new RegExp(pattern, 'i'));
  return globSync(['{apps,libs}/*/{src,test}/**/*{.,-}spec.ts', 'tools/**/*.spec.ts'], { cwd: rootDir })
    .map((path) => join(rootDir, path))
    .filter((path) => patterns.length === 0 || patterns.some((pattern) => pattern.test(path)));
};
