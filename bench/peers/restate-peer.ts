import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Candidate, root } from '../candidate.ts';
import { together } from '../contenders.ts';
import type { Running } from '../stage.ts';

const folder = join(root, '.bench/restate');
let installed: boolean | null = null;

/** Installs the peer once, beside the product and not into it; false where it cannot be had, which is said. */
export const hasRestate = (): boolean => {
  if (installed !== null) return installed;
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(root, 'bench/peers/restate/package.json'), join(folder, 'package.json'));
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'];
  const { status } = spawnSync('npm', args, { cwd: folder, stdio: 'ignore' });
  installed = status === 0;
  if (!installed) process.stdout.write('  without Restate: npm could not install it\n');
  return installed;
};

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

const tell = async (address: string, body: object): Promise<void> => {
  const answer = await fetch(address, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`Restate answered ${answer.status}: ${await answer.text()}`);
};

const untilUp = async (address: string): Promise<void> => {
  for (const giveUpAt = Date.now() + 60_000; Date.now() < giveUpAt; await pause(100)) {
    if (
      await fetch(address).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return;
  }
  throw new Error('Restate was not up after 60 s');
};

/** A server of its own with an empty store, and the service that it calls for each event of the topic, from the first on. */
export const runRestate = async (options: { brokers: string; topic: string; target: string; concurrency: number }): Promise<Running> => {
  const home = mkdtempSync(join(tmpdir(), 'cf-bench-restate-'));
  const [node, ingress, admin, service] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const config = join(home, 'restate.toml');
  writeFileSync(
    config,
    `cluster-name = "bench"
disable-telemetry = true
log-filter = "off"
bind-ip = "127.0.0.1"
bind-port = ${node}
base-dir = "${home}"
[ingress]
bind-port = ${ingress}
[[ingress.kafka-clusters]]
name = "bench"
brokers = ["PLAINTEXT://${options.brokers}"]
[admin]
bind-port = ${admin}
[worker.invoker]
concurrent-invocations-limit = ${options.concurrency}
`,
  );
  const binary = join(folder, `node_modules/@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`);
  const server = Candidate.runProgram(binary, ['--no-logo', '--config-file', config], { DO_NOT_TRACK: '1' });
  const handlers = Candidate.run('bench/peers/restate/service.mjs', {
    FOLDER: folder,
    TARGET: options.target,
    CONCURRENCY: String(options.concurrency),
    PORT: String(service),
    RESTATE_LOGGING: 'ERROR',
  });
  await Promise.all([untilUp(`http://127.0.0.1:${admin}/health`), handlers.ready]);
  await tell(`http://127.0.0.1:${admin}/deployments`, { uri: `http://127.0.0.1:${service}` });
  await tell(`http://127.0.0.1:${admin}/subscriptions`, {
    source: `kafka://bench/${options.topic}`,
    sink: 'service://Chats/onEvent',
    options: { 'auto.offset.reset': 'earliest', 'group.id': `${options.topic}.restate` },
  });
  return together([server, handlers], async () => {
    await Promise.all([server.stop('SIGKILL'), handlers.stop('SIGKILL')]);
    rmSync(home, { recursive: true, force: true });
  });
};
