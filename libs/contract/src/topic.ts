import type { z } from 'zod';

/**
 * A topic as data: its name, the schema of its values and how a message's key is found.
 * `cleanup: 'compact'` topics have one partition and keep the last record per key.
 * `partitions` names the setting that sizes the topic: topics with the same group are co-partitioned (guarantees.md §2).
 */
export interface Topic<Name extends string = string, Schema extends z.ZodType = z.ZodType> {
  readonly name: Name;
  readonly message: string;
  readonly schema: Schema;
  readonly keyDescription: string;
  readonly key: (message: z.infer<Schema>) => string;
  readonly cleanup: 'delete' | 'compact';
  readonly partitions: 'one' | 'chat-events' | 'steps' | 'triggers' | 'executions';
  readonly retentionMs: number | null;
  readonly messageBytesMax: number;
  readonly example: z.infer<Schema>;
}

export type MessageOf<T extends Topic> = z.infer<T['schema']>;

export const defineTopic = <Name extends string, Schema extends z.ZodType>(topic: Topic<Name, Schema>): Topic<Name, Schema> => topic;

/** Requests and results are kept this long (guarantees.md §10). */
export const WEEK_MS = 7 * 24 * 60 * 60_000;

/** Key of a message whose own key could not be read. */
export const TopicKeyUnknown = 'unknown';
