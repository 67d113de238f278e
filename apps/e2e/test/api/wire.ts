import { Pool } from 'undici';
import type { WireAnswer } from '../../../../tools/documents/answer-check.js';

export interface WireRequest {
  readonly method: string;
  /** Path and query, as they go over the wire. */
  readonly url: string;
  /** Name, value, name, value, …: a name may be there twice. */
  readonly headers: readonly string[];
  readonly body: string | Buffer | null;
}

const single = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value.join(', ') : value);

/** Of its own making, since a URL would be put in order: `..` is sent as it is. */
const pools = new Map<string, Pool>();
const poolOf = (address: string): Pool => {
  const pool = pools.get(address) ?? new Pool(address, { connections: 32 });
  pools.set(address, pool);
  return pool;
};

/** Sends a request as it is. A stream of events is left after its headers. */
export const send = async (address: string, { method, url, headers, body }: WireRequest): Promise<WireAnswer> => {
  const answer = await poolOf(address).request({ path: url, method: method.toUpperCase() as 'GET', headers: [...headers], body });
  const flat = Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, single(value)]));
  const isStream = flat['content-type']?.startsWith('text/event-stream') === true;
  if (isStream) answer.body.destroy();
  return { status: answer.statusCode, headers: flat, text: isStream ? '' : await answer.body.text() };
};
