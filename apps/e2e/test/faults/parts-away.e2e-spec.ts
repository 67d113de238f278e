import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '@cf/persistence';
import { CustomerEndpoint, describeOnKafka, eventually } from '@cf/testing';
import { type KafkaBroker, startKafkaBroker } from '../../../../tools/kafka-broker.js';
import { Api } from '../harness/api.js';
import { persistently } from '../harness/calls.js';
import { Program } from '../harness/processes.js';
import { TcpLink } from '../harness/tcp-link.js';
import { Tenant } from '../harness/tenant.js';

const OPERATOR_TOKEN = 'e2e-operator-token-0123456789';

describe('a setting that is missing or wrong stops the start and names itself', () => {
  const base = { NODE_ENV: 'test', PORT: '0', DATA_DIR: mkdtempSync(join(tmpdir(), 'cf-settings-')) };
  it.each([
    ['apps/invoker/dist/main.js', {}, 'KAFKA_BROKERS'],
    ['apps/invoker/dist/main.js', { KAFKA_BROKERS: '127.0.0.1:9' }, 'DATABASE_URL'],
    ['apps/standalone/dist/main.js', { PORT: 'eighty' }, 'PORT'],
    ['apps/standalone/dist/main.js', { ALLOWED_ADDRESSES: 'localhost' }, 'ALLOWED_ADDRESSES'],
    ['apps/standalone/dist/main.js', { ENCRYPTION_KEYS: 'short:abc' }, 'ENCRYPTION_KEYS'],
    ['apps/standalone/dist/main.js', { NODE_ENV: 'production' }, 'OPERATOR_TOKEN'],
  ])('%s with %j', async (script, env, named) => {
    await expect(Program.start(script, { ...base, ...env } as Record<string, string>)).rejects.toThrow(
      new RegExp(`ended with 1[^]*${named}`),
    );
  });
});

describeOnKafka('a part that goes away at run time', () => {
  let broker: KafkaBroker;
  let postgres: EmbeddedPostgres;
  let endpoint: CustomerEndpoint;
  let program: Program;
  let tenant: Tenant;
  let link: TcpLink;
  const dataDir = mkdtempSync(join(tmpdir(), 'cf-away-'));

  beforeAll(async () => {
    [broker, postgres, endpoint] = await Promise.all([startKafkaBroker(), startEmbeddedPostgres({ dataDir }), CustomerEndpoint.start()]);
    const linked = await TcpLink.to(postgres.url);
    link = linked.link;
    program = await Program.start('apps/standalone/dist/main.js', {
      NODE_ENV: 'test',
      PORT: '0',
      DATA_DIR: dataDir,
      DATABASE_URL: linked.url,
      KAFKA_BROKERS: broker.address,
      OPERATOR_TOKEN,
    });
    tenant = await Tenant.create(new Api(() => program.address, OPERATOR_TOKEN));
    await tenant.createTrigger(await tenant.createFunction(endpoint.url, 'event'), 'ChatStatus');
  }, 120_000);
  afterAll(async () => {
    await program?.stop();
    await link?.cut();
    await postgres?.stop();
    await broker?.stop();
    await endpoint?.close();
    rmSync(dataDir, { recursive: true, force: true });
  }, 90_000);

  const redParts = async (): Promise<string[]> => {
    const { parts } = (await (await fetch(`${program.address}/health/ready`)).json()) as {
      parts: Record<string, { ok: boolean; detail: string }>;
    };
    return Object.entries(parts).flatMap(([part, { ok, detail }]) => (ok ? [] : [`${part}: ${detail}`]));
  };

  it('Kafka: readiness says so, events are refused rather than lost, and work goes on when it is back', async () => {
    await broker.kill();
    await eventually(async () => expect(await redParts()).toContainEqual(expect.stringMatching(/^log: /)), 60_000);
    const refused = await tenant.sendEvent(tenant.event('ChatOpened'));
    expect(refused.status).toBe(503);
    await broker.restart();
    await eventually(async () => expect(await redParts()).toEqual([]), 90_000);
    const event = tenant.event('ChatOpened');
    await persistently(
      () => tenant.sendEvent(event),
      ({ status }) => status === 202,
    );
    await eventually(
      () => expect(endpoint.callsTo('/event').map(({ body }) => (JSON.parse(body.toString()) as { id: string }).id)).toContain(event.id),
      60_000,
    );
  }, 240_000);

  it('Postgres: readiness says so, calls go on, and executions are recorded when it is back', async () => {
    await link.cut();
    await eventually(async () => expect((await redParts()).length).toBeGreaterThan(0), 60_000);
    const event = tenant.event('ChatEnded');
    expect((await tenant.sendEvent(event)).status).toBe(202);
    await eventually(
      () => expect(endpoint.callsTo('/event').map(({ body }) => (JSON.parse(body.toString()) as { id: string }).id)).toContain(event.id),
      30_000,
    );
    await link.mend();
    await eventually(async () => expect(await redParts()).toEqual([]), 60_000);
    await eventually(async () => {
      const found = await tenant.executions(`?eventId=${event.id}`);
      expect(found).toMatchObject([{ status: 'succeeded' }]);
    }, 60_000);
  }, 240_000);
});
