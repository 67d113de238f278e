/** The image and the compose file, as far as they can be held to the code without an engine for containers. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, describeOnKafka, eventually, testKafka } from '@cf/testing';
import { parse } from 'yaml';
import { nodeBinary, root } from './harness/processes.js';
import { serviceFor } from './harness/routes.js';

interface Service {
  readonly image: string;
  readonly command?: string[];
  readonly environment?: Record<string, string>;
  readonly read_only?: boolean;
  readonly stop_grace_period?: string;
}

const dockerfile = readFileSync(join(root, 'deploy/Dockerfile'), 'utf8');
const wordsOf = (instruction: string): string[] =>
  JSON.parse(new RegExp(`^${instruction} (\\[.*\\])$`, 'm').exec(dockerfile)?.[1] ?? '[]') as string[];
const compose = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true }) as { services: Record<string, Service> };
const ours = Object.entries(compose.services).filter(([, { image }]) => image === 'cloud-functions');

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
};

describe('docker-compose.yml', () => {
  it('has every service, read-only and with time to drain, and starts files that there are', () => {
    expect(ours.map(([name]) => name)).toEqual(
      expect.arrayContaining(['registry', 'trigger-matcher', 'step-executor', 'invoker', 'executions', 'gateway']),
    );
    for (const [name, service] of ours) {
      expect([name, service.read_only, service.stop_grace_period]).toEqual([name, true, '45s']);
      const [script = ''] = service.command ?? [];
      expect([name, existsSync(join(root, script))]).toEqual([name, true]);
    }
  });

  const client = [['docker', 'compose'], ['docker-compose']].find(
    ([program = '', ...args]) => spawnSync(program, [...args, 'version']).status === 0,
  );
  (client === undefined ? it.skip : it)('is accepted by the client', () => {
    const [program = '', ...args] = client ?? [];
    const run = spawnSync(program, [...args, '--profile', 'demo', '-f', join(root, 'docker-compose.yml'), 'config'], { encoding: 'utf8' });
    expect([run.status, run.stderr]).toEqual([0, '']);
  });
});

describe('deploy/nginx.conf', () => {
  it.each([
    ['/v1/organizations', 'registry'],
    ['/v1/orgs/o/cloud-functions/f', 'registry'],
    ['/v1/orgs/o/cloud-functions/f/test-invocations', 'executions'],
    ['/v1/orgs/o/registered-apis/a/connection-tests', 'invoker'],
    ['/v1/orgs/o/executions?limit=1', 'executions'],
    ['/v1/orgs/o/executions/i/retries', 'executions'],
    ['/v1/orgs/o/dead-letters/d', 'executions'],
    ['/v1/orgs/o/notification-webhook/deliveries', 'executions'],
    ['/v1/orgs/o/chat-events', 'gateway'],
    ['/v1/orgs/o/step-executions', 'gateway'],
    ['/openapi.json', 'registry'],
  ])('sends %s to %s', (path, service) => expect(serviceFor(path)).toBe(service));

  (spawnSync('nginx', ['-v']).status === 0 ? it : it.skip)('is accepted by nginx', () => {
    const run = spawnSync('nginx', ['-t', '-c', join(root, 'deploy/nginx.conf')], { encoding: 'utf8' });
    expect([run.status, run.stderr]).toEqual([0, expect.stringContaining('test is successful')]);
  });
});

describeOnKafka('the start commands of the image', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  const running: ChildProcess[] = [];
  const packaged = spawnSync('npm', ['ls', '--omit=dev', '--omit=optional', '--all', '--parseable'], { cwd: root, encoding: 'utf8' })
    .stdout.split('\n')
    .map((path) => /.*\/node_modules\/(.+)$/.exec(path)?.[1])
    .filter((name) => name !== undefined)
    .join(',');

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => {
    for (const child of running) child.kill('SIGKILL');
    await database.drop();
  });

  it('run every service in production from what the image holds, are ready by its health check, and end cleanly by SIGTERM', async () => {
    const prefix = `i${randomBytes(4).toString('hex')}.`;
    const [, ...entryFlags] = wordsOf('ENTRYPOINT');
    const [, ...health] = wordsOf('HEALTHCHECK .*CMD');
    const dataDir = join(tmpdir(), `never-${prefix}`);
    const services = ours.filter(([name]) => name !== 'demo-endpoint');
    await Promise.all(
      services.map(async ([name, { command = [], environment = {} }]) => {
        const env: Record<string, string> = {
          PATH: process.env['PATH'] ?? '',
          NODE_ENV: 'production',
          HOST: '127.0.0.1',
          PORT: String(await freePort()),
          DATABASE_URL: database.url,
          KAFKA_BROKERS: testKafka()?.brokers ?? '',
          KAFKA_TOPIC_PREFIX: prefix,
          OPERATOR_TOKEN: 'an-operator-token-of-this-spec',
          ENCRYPTION_KEYS: /:-(.*)\}/.exec(environment['ENCRYPTION_KEYS'] ?? '')?.[1] ?? '',
          DATA_DIR: dataDir,
          CF_PACKAGED: packaged,
        };
        const hook = ['--import', join(root, 'tools/only-packaged.mjs')];
        const child = spawn(nodeBinary, [...hook, ...entryFlags, ...command], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
        running.push(child);
        let output = '';
        for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
        await eventually(() => {
          if (child.exitCode !== null) throw new Error(`${name} ended: ${output}`);
          const check = spawnSync(nodeBinary, health, { cwd: root, env, encoding: 'utf8' });
          expect([name, check.status, check.stderr]).toEqual([name, 0, '']);
        }, 60_000);
        child.kill('SIGTERM');
        const [code] = (await once(child, 'exit')) as [number | null];
        expect([name, code]).toEqual([name, 0]);
      }),
    );
    expect(existsSync(dataDir)).toBe(false);
  }, 120_000);
});
