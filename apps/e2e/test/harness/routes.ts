import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceName } from '@cf/contract';
import { root } from './processes.js';

const map = /map \$uri \$service \{([^}]*)\}/.exec(readFileSync(join(root, 'deploy/nginx.conf'), 'utf8'))?.[1] ?? '';
const entries = [...map.matchAll(/^\s*(\S+)\s+([a-z-]+);$/gm)].map(([, pattern = '', service]) => ({
  pattern,
  service: service as ServiceName,
}));
const byPattern = entries
  .filter(({ pattern }) => pattern.startsWith('~'))
  .map(({ pattern, service }) => ({ pattern: new RegExp(pattern.slice(1)), service }));
const otherwise = entries.find(({ pattern }) => pattern === 'default')?.service;

/** The service behind a path of the one address, by the very routes that are deployed (`deploy/nginx.conf`). */
export const serviceFor = (path: string): ServiceName => {
  const [uri = path] = path.split('?');
  const service = byPattern.find(({ pattern }) => pattern.test(uri))?.service ?? otherwise;
  if (service === undefined) throw new Error('deploy/nginx.conf has no default route');
  return service;
};
