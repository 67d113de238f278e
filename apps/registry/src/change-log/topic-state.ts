import { z } from 'zod';
import { sameId, uuid } from '@cf/contract';
import type { LogRecord } from '@cf/messaging';
import type { PublishedKind } from './published-kind.js';

/** What the last record of a resource says. */
export interface TopicState {
  readonly version: number;
  readonly alive: boolean;
  /** Null when the record does not say. */
  readonly type: PublishedKind['type'] | null;
  readonly orgId: string | null;
}

export const NOTHING: TopicState = { version: 0, alive: false, type: null, orgId: null };

const record = z.object({
  type: z.enum(['organization', 'registered-api', 'cloud-function', 'access-token', 'trigger']),
  version: z.number().int(),
  deleted: z.boolean(),
  resource: z.object({ orgId: uuid.optional() }).nullable(),
});

/** Reads a record of the registry's own topics; null when its key names no resource. What cannot be read has version 0. */
export const readTopicState = ({ key, value }: Pick<LogRecord, 'key' | 'value'>): { id: string; state: TopicState } | null => {
  const id = key?.toString('utf8') ?? '';
  if (!uuid.safeParse(id).success) return null;
  if (value === null) return { id: sameId(id), state: NOTHING };
  const read = record.safeParse(parse(value));
  if (!read.success) return { id: sameId(id), state: { ...NOTHING, alive: true } };
  const { type, version, deleted, resource } = read.data;
  return { id: sameId(id), state: { version, alive: !deleted, type, orgId: type === 'organization' ? id : (resource?.orgId ?? null) } };
};

const parse = (value: Buffer): unknown => {
  try {
    return JSON.parse(value.toString('utf8')) as unknown;
  } catch {
    return null;
  }
};

export type Verdict = 'agrees' | 'topic_is_behind' | 'row_is_behind' | 'row_is_gone';

/** How what the topic says relates to the row (its version, or null when there is none). */
export const compareToRow = (state: TopicState, rowVersion: number | null): Verdict => {
  if (rowVersion === null) return state.alive ? 'row_is_gone' : 'agrees';
  if (state.version > rowVersion) return 'row_is_behind';
  return state.alive && state.version === rowVersion ? 'agrees' : 'topic_is_behind';
};
