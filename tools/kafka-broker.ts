/**
 * A real Kafka broker for tests and benchmarks, without Docker: the jars come from Maven Central once, then a single KRaft node
 * (broker and controller in one JVM) runs on free ports of the loopback address with its data in a temporary folder.
 *
 * Nobody has to remember to stop it. A watchdog process holds the reading end of a pipe; when this process dies, however it dies,
 * the pipe closes, and the watchdog kills the JVM and removes its data.
 *
 * As a command (`node tools/kafka-broker.ts`) it prints the address and stays until SIGTERM or SIGINT.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const KAFKA_VERSION = '4.1.1';
const LOG4J_VERSION = '2.24.3';
const JAVA_VERSION_MIN = 17;
/** A cold JVM on a busy two-core machine needs some 20 s; past this something is wrong. */
const START_TIMEOUT_MS = 120_000;
/** A clean shutdown takes 1–3 s; past this the JVM is killed. */
const STOP_TIMEOUT_MS = 20_000;
/** Between choosing free ports and binding them another process may take one. */
const START_ATTEMPTS = 3;

const run = promisify(execFile);

/** Kafka cannot run on this machine; the message names what is missing. */
export class KafkaUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KafkaUnavailable';
  }
}

export interface KafkaBrokerOptions {
  /** Added to the broker's configuration, over the defaults of this tool. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Opens a second listener with TLS and SASL (PLAIN and SCRAM-SHA-256). */
  readonly secure?: boolean;
}

export interface SecureListener {
  /** host:port */
  readonly address: string;
  /** The certificate to trust, PEM. */
  readonly ca: string;
  readonly username: string;
  readonly password: string;
}

export interface KafkaBroker {
  /** host:port of the plain listener */
  readonly address: string;
  readonly secure: SecureListener | null;
  /** Clean shutdown, then a new JVM on the same ports and data. Also brings a killed broker back. */
  restart(): Promise<void>;
  /** SIGKILL, as in a power failure; the data stays for `restart`. */
  kill(): Promise<void>;
  /** Clean shutdown, data removed. */
  stop(): Promise<void>;
}

interface Ports {
  readonly plain: number;
  readonly controller: number;
  readonly secure: number;
}

const java = (): string => (process.env['JAVA_HOME'] ? join(process.env['JAVA_HOME'], 'bin', 'java') : 'java');
const keytool = (): string => (process.env['JAVA_HOME'] ? join(process.env['JAVA_HOME'], 'bin', 'keytool') : 'keytool');

const outputOf = (error: unknown): string => {
  const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
  const lines = `${stdout}\n${stderr}`.split('\n').filter((line) => line.trim() !== '');
  return lines.length === 0 ? message : lines.slice(-5).join('\n');
};

async function requireJava(): Promise<void> {
  const { stderr } = await run(java(), ['-version']).catch((error: unknown) => {
    throw new KafkaUnavailable(`Kafka needs Java ${JAVA_VERSION_MIN} or newer and "${java()}" does not run`, { cause: error });
  });
  const version = Number(/version "(\d+)/.exec(stderr)?.[1]);
  if (!(version >= JAVA_VERSION_MIN)) {
    throw new KafkaUnavailable(`Kafka needs Java ${JAVA_VERSION_MIN} or newer and "${java()}" is ${stderr.split('\n')[0]}`);
  }
}

const dependency = (groupId: string, artifactId: string, version: string): string =>
  `<dependency><groupId>${groupId}</groupId><artifactId>${artifactId}</artifactId><version>${version}</version></dependency>`;

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>cloud-functions</groupId>
  <artifactId>kafka-broker</artifactId>
  <version>1</version>
  <dependencies>
    ${dependency('org.apache.kafka', 'kafka_2.13', KAFKA_VERSION)}
    ${dependency('org.apache.logging.log4j', 'log4j-slf4j-impl', LOG4J_VERSION)}
    ${dependency('org.apache.logging.log4j', 'log4j-core', LOG4J_VERSION)}
  </dependencies>
</project>
`;

/** The folder of the jars. A copy appears under its final name complete or not at all, so two starts at once do no harm. */
async function jars(): Promise<string> {
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'cloud-functions');
  const folder = join(cache, `kafka-${KAFKA_VERSION}`);
  if (existsSync(folder)) return folder;

  await mkdir(cache, { recursive: true });
  const draft = await mkdtemp(`${folder}.draft-`);
  try {
    await writeFile(join(draft, 'pom.xml'), pom);
    await run('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${draft}`], {
      cwd: draft,
    }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') throw new KafkaUnavailable('Kafka is fetched with Maven and "mvn" is not installed', { cause: error });
      throw new KafkaUnavailable(`Maven could not fetch Kafka ${KAFKA_VERSION}; is Maven Central reachable?\n${outputOf(error)}`, {
        cause: error,
      });
    });
    await rename(draft, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return folder;
}

async function freePorts(): Promise<Ports> {
  const servers = [createServer(), createServer(), createServer()];
  const [plain, controller, secure] = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return { plain: plain!, controller: controller!, secure: secure! };
}

const USERNAME = 'cloud-functions';

async function secureProperties(home: string, ports: Ports, password: string): Promise<Record<string, string>> {
  const keystore = join(home, 'keystore.p12');
  const store = ['-alias', 'broker', '-keystore', keystore, '-storetype', 'PKCS12', '-storepass', password];
  const certificate = [
    '-keyalg',
    'EC',
    '-groupname',
    'secp256r1',
    '-validity',
    '2',
    '-dname',
    'CN=localhost',
    '-ext',
    'SAN=dns:localhost,ip:127.0.0.1',
  ];
  await run(keytool(), ['-genkeypair', ...store, ...certificate]);
  await run(keytool(), ['-exportcert', '-rfc', ...store, '-file', join(home, 'ca.pem')]);
  const login = 'org.apache.kafka.common.security';
  return {
    'ssl.keystore.location': keystore,
    'ssl.keystore.type': 'PKCS12',
    'ssl.keystore.password': password,
    'ssl.key.password': password,
    'listener.name.secure.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256',
    'listener.name.secure.plain.sasl.jaas.config': `${login}.plain.PlainLoginModule required user_${USERNAME}="${password}";`,
    'listener.name.secure.scram-sha-256.sasl.jaas.config': `${login}.scram.ScramLoginModule required;`,
    listeners: `PLAIN://127.0.0.1:${ports.plain},CONTROLLER://127.0.0.1:${ports.controller},SECURE://127.0.0.1:${ports.secure}`,
    'advertised.listeners': `PLAIN://127.0.0.1:${ports.plain},SECURE://127.0.0.1:${ports.secure}`,
  };
}

const serverProperties = (home: string, ports: Ports): Record<string, string> => ({
  'process.roles': 'broker,controller',
  'node.id': '1',
  listeners: `PLAIN://127.0.0.1:${ports.plain},CONTROLLER://127.0.0.1:${ports.controller}`,
  'advertised.listeners': `PLAIN://127.0.0.1:${ports.plain}`,
  'listener.security.protocol.map': 'PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL',
  'inter.broker.listener.name': 'PLAIN',
  'controller.listener.names': 'CONTROLLER',
  'controller.quorum.bootstrap.servers': `127.0.0.1:${ports.controller}`,
  'log.dirs': join(home, 'log'),
  'auto.create.topics.enable': 'false',
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '4',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '1000',
  // A killed broker may register again once its session has run out: 9 s by default.
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '500',
  // The cleaner's stock buffer takes a quarter of the 512 MB heap.
  'log.cleaner.dedupe.buffer.size': '8388608',
});

const log4j = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss,SSS} %-5p %m (%c{1})%n%ex
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
`;

const exited = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null ? Promise.resolve() : new Promise((resolve) => child.once('exit', () => resolve()));

class Jvm {
  readonly child: ChildProcess;
  readonly #watchdog: ChildProcess;

  constructor(args: readonly string[], home: string) {
    this.child = spawn(java(), args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, JAVA_TOOL_OPTIONS: '' } });
    this.#watchdog = spawn('sh', ['-c', 'cat > /dev/null; kill -9 "$1"; rm -rf "$2"', 'watchdog', String(this.child.pid), home], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#watchdog.unref();
    this.child.once('exit', () => this.#watchdog.kill('SIGKILL'));
  }

  /** Resolves when the broker serves; rejects with the end of its output when it dies instead. */
  started(): Promise<void> {
    return new Promise((resolve, reject) => {
      let output = '';
      const timer = setTimeout(() => reject(new Error(`Kafka was not up after ${START_TIMEOUT_MS} ms\n${output}`)), START_TIMEOUT_MS);
      const read = (chunk: Buffer): void => {
        output = (output + chunk.toString()).slice(-8_192);
        if (output.includes('Kafka Server started')) {
          clearTimeout(timer);
          resolve();
        }
      };
      this.child.stdout!.on('data', read);
      this.child.stderr!.on('data', read);
      this.child.once('exit', (code, signal) => {
        clearTimeout(timer);
        reject(new Error(`Kafka ended at start (${signal ?? code})\n${output}`));
      });
    });
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exited(this.child);
    clearTimeout(timer);
  }
}

async function startOnce(libraries: string, options: KafkaBrokerOptions): Promise<KafkaBroker> {
  const home = await mkdtemp(join(tmpdir(), 'cf-kafka-'));
  const ports = await freePorts();
  const password = randomUUID();
  const classPath = join(libraries, '*');
  const properties = join(home, 'server.properties');
  const settings = {
    ...serverProperties(home, ports),
    ...(options.secure ? await secureProperties(home, ports, password) : {}),
    ...options.properties,
  };
  await writeFile(join(home, 'log4j2.properties'), log4j);
  await writeFile(
    properties,
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );

  const logging = `-Dlog4j2.configurationFile=${join(home, 'log4j2.properties')}`;
  const format = [
    '-XX:TieredStopAtLevel=1',
    logging,
    '-cp',
    classPath,
    'kafka.tools.StorageTool',
    'format',
    '--standalone',
    '-c',
    properties,
  ];
  // A first bit of 0, or one in 64 begins with a dash and is taken for an option.
  const clusterId = Buffer.from(`0${randomUUID().replaceAll('-', '').slice(1)}`, 'hex').toString('base64url');
  const scram = options.secure ? ['--add-scram', `SCRAM-SHA-256=[name=${USERNAME},password=${password}]`] : [];
  await run(java(), [...format, '-t', clusterId, ...scram]);

  const launch = async (): Promise<Jvm> => {
    const jvm = new Jvm(['-Xms512m', '-Xmx512m', '-XX:+UseG1GC', logging, '-cp', classPath, 'kafka.Kafka', properties], home);
    await jvm.started().catch(async (error: unknown) => {
      await jvm.end('SIGKILL');
      throw error;
    });
    return jvm;
  };

  let jvm: Jvm;
  try {
    jvm = await launch();
  } catch (error) {
    await rm(home, { recursive: true, force: true });
    throw error;
  }
  const killOnExit = (): void => void jvm.child.kill('SIGKILL');
  process.once('exit', killOnExit);

  return {
    address: `127.0.0.1:${ports.plain}`,
    secure: options.secure
      ? { address: `127.0.0.1:${ports.secure}`, ca: await readFile(join(home, 'ca.pem'), 'utf8'), username: USERNAME, password }
      : null,
    async restart() {
      await jvm.end('SIGTERM');
      jvm = await launch();
    },
    kill: () => jvm.end('SIGKILL'),
    async stop() {
      process.off('exit', killOnExit);
      await jvm.end('SIGTERM');
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** Starts a broker; throws `KafkaUnavailable` where Java, Maven or Maven Central is missing. */
export async function startKafkaBroker(options: KafkaBrokerOptions = {}): Promise<KafkaBroker> {
  await requireJava();
  const libraries = await jars();
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(libraries, options);
    } catch (error) {
      const portTaken = error instanceof Error && /BindException|Address already in use/.test(error.message);
      if (!portTaken || attempt === START_ATTEMPTS) throw error;
    }
  }
}

async function main(): Promise<void> {
  const broker = await startKafkaBroker();
  const stop = (): void => void broker.stop().then(() => process.exit(0));
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  console.log(broker.address);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main().catch((error: unknown) => {
    console.error(error instanceof KafkaUnavailable ? error.message : error);
    process.exit(1);
  });
}
