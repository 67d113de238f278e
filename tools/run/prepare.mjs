import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withLock } from './lock.mjs';
import { root } from './root.mjs';
import { run } from './run-program.mjs';

const installStamp = join(root, 'node_modules/.installed');
const buildStamp = join(root, '.run/built');

/** Installs and builds what is missing; resolves to an exit code. Several may call it at once. */
export const prepare = async () => {
  if (isInstalled() && isBuilt()) return 0;
  return withLock(async () => (isInstalled() ? 0 : await install()) || (isBuilt() ? 0 : await build()));
};

const install = async () => {
  process.stderr.write('Installing packages (once, a minute or so) …\n');
  const lock = lockHash();
  rmSync(installStamp, { force: true });
  // Said out loud, because NODE_ENV=production and npm's own settings are inherited.
  const flags = [
    'ci',
    '--include=dev',
    '--include=optional',
    '--include=peer',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    '--dry-run=false',
  ];
  const npm = process.env.npm_execpath;
  const code = npm?.endsWith('.js') ? await run(process.execPath, [npm, ...flags], ONTO_STDERR) : await run('npm', flags, ONTO_STDERR);
  if (code === 0) writeFileSync(installStamp, lock);
  return code;
};

const build = async () => {
  process.stderr.write('Building …\n');
  const sources = fingerprint();
  const code = await run(process.execPath, ['node_modules/typescript7/bin/tsc', '-b'], ONTO_STDERR);
  if (code === 0) {
    mkdirSync(join(root, '.run'), { recursive: true });
    writeFileSync(buildStamp, sources);
  }
  return code;
};

/** What npm and the compiler say belongs to nobody who reads our output. */
const ONTO_STDERR = { stdio: ['ignore', 2, 2] };

const lockHash = () => {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`);
  for (const file of ['package-lock.json', 'package.json']) hash.update(read(file) ?? '');
  return hash.digest('hex');
};

/** Our own install left its stamp; after one by hand, npm's record of what it installed must agree with the lock file. */
const isInstalled = () => read('node_modules/.installed') === lockHash() || recordAgrees();

const recordAgrees = () => {
  const record = read('node_modules/.package-lock.json');
  if (record === undefined) return false;
  const installed = JSON.parse(record).packages;
  return Object.entries(JSON.parse(read('package-lock.json')).packages).every(([path, wanted]) => {
    if (!path.includes('node_modules/')) return true;
    const found = installed[path];
    return found ? found.version === wanted.version : !isWanted(wanted);
  });
};

/** Optional packages are wanted where they are made for this machine; those that also ask for a C library are left to npm. */
const isWanted = ({ optional, devOptional, os, cpu, libc }) =>
  !(optional || devOptional) ||
  (!libc && os !== undefined && [os].flat().includes(process.platform) && [cpu ?? process.arch].flat().includes(process.arch));

const isBuilt = () =>
  read('.run/built') === fingerprint() && projects().every((project) => existsSync(join(root, project, 'dist/.tsbuildinfo')));

const projects = () => JSON.parse(read('tsconfig.json')).references.map(({ path }) => path);

/** Changes with every file that the compiler may read: paths, sizes and times of all sources and settings. */
const fingerprint = () => {
  const hash = createHash('sha256').update(lockHash());
  const add = (path) => {
    const found = statSync(join(root, path), { throwIfNoEntry: false });
    if (found?.isDirectory()) for (const name of readdirSync(join(root, path)).sort()) add(`${path}/${name}`);
    else if (found) hash.update(`${path} ${found.size} ${found.mtimeMs}\n`);
  };
  add('tsconfig.base.json');
  add('tsconfig.json');
  for (const project of projects()) for (const part of ['package.json', 'tsconfig.json', 'src']) add(`${project}/${part}`);
  return hash.digest('hex');
};

const read = (path) => {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
};
