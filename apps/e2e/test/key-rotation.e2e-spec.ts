/** The four rings of a key rotation (deploy/README.md), each rolled out beside the one before, while steps with secrets run. */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { flows, stepRequests, stepResults } from '@cf/contract';
import { InvokerModule } from '@cf/invoker';
import { EmbeddedLog } from '@cf/messaging';
import { RegistryModule } from '@cf/registry';
import { createLogger, KeyRing, readPlatform, runApplication, type RunningApplication } from '@cf/service-kit';
import { StepExecutorModule } from '@cf/step-executor';
import { createTestDatabase, CustomerEndpoint, eventually } from '@cf/testing';
import { Api } from './harness/api.js';
import { Tenant } from './harness/tenant.js';
import { TopicReader } from './harness/topic-reader.js';

const [OLD, NEW] = [KeyRing.make('old'), KeyRing.make('new')];
const STEP_EVERY_MS = 20;

it('a key is rotated while calls run, and none of them fails', async () => {
  const database = await createTestDatabase();
  const dataDir = mkdtempSync(join(tmpdir(), 'cf-e2e-'));
  const operatorToken = randomBytes(16).toString('hex');
  const log = EmbeddedLog.inMemory();
  await log.start();
  await log.ensureTopics(
    flows.map(({ topic: { name, cleanup, messageBytesMax } }) => ({ name, partitions: 1, cleanup, retentionMs: null, messageBytesMax })),
  );
  let running: RunningApplication | null = null;
  /** The next release beside the one before, which then drains. */
  const rollOut = async (ring: string): Promise<void> => {
    const platform = readPlatform(
      { port: 0, needs: 'nothing' },
      {
        NODE_ENV: 'test',
        PORT: '0',
        DATA_DIR: dataDir,
        DATABASE_URL: database.url,
        OPERATOR_TOKEN: operatorToken,
        ENCRYPTION_KEYS: ring,
        LOG_LEVEL: 'fatal',
      },
    );
    const next = await runApplication([RegistryModule, StepExecutorModule, InvokerModule], platform, log, createLogger('e2e', 'fatal'));
    await running?.stop();
    running = next;
  };

  await rollOut(OLD);
  const endpoint = await CustomerEndpoint.start();
  endpoint.answer('/signed', ({ headers }) => ({ status: headers['authorization'] === 'Bearer the-token' ? 200 : 401, body: '' }));
  const operator = new Api(() => running!.address, operatorToken);
  const tenant = await Tenant.create(operator);
  const cloudFunctionId = await tenant.createFunction(
    endpoint.url,
    'signed',
    { signing: { enabled: true, secret: 'the-signing-secret' } },
    { authorization: { type: 'BearerToken', token: 'the-token' } },
  );
  const results = new TopicReader(log, stepResults);
  const publisher = log.createPublisher('bot-runtime', 'step');
  const asked: string[] = [];
  const asking = setInterval(() => {
    const { requestId, executionId, ...rest } = tenant.stepRequest(cloudFunctionId, { requestId: randomUUID() });
    asked.push(requestId);
    void publisher.publish({ topic: stepRequests.name, key: executionId, value: JSON.stringify({ requestId, executionId, ...rest }) });
  }, STEP_EVERY_MS);
  const some = async (): Promise<void> => {
    const so = results.messages().length;
    await eventually(() => expect(results.messages().length).toBeGreaterThan(so + 20));
  };

  try {
    await some();
    await rollOut(`${OLD},${NEW}`);
    await rollOut(`${NEW},${OLD}`);
    await some();
    const rotated = await operator.request('POST', '/v1/key-rotations');
    expect(rotated.body).toMatchObject({ resealed: 2, keysInUse: ['new'], keysToRemove: ['old'], done: true });
    await some();
    await rollOut(NEW);
    await some();
    clearInterval(asking);
    await eventually(() => expect(new Set(results.messages().map(({ requestId }) => requestId)).size).toBe(asked.length));
    expect(results.messages().filter(({ outcome }) => outcome !== 'succeeded')).toEqual([]);
    expect(endpoint.callsTo('/signed').filter(({ headers }) => headers['x-medchat-signature-sha256'] === undefined)).toEqual([]);
    expect(endpoint.callsTo('/signed').length).toBeGreaterThan(80);
  } finally {
    clearInterval(asking);
    await publisher.close();
    await results.close();
    await (running as RunningApplication | null)?.stop();
    await log.close();
    await endpoint.close();
    await database.drop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}, 90_000);
