import { Inject, Injectable } from '@nestjs/common';
import { registryChanges, registryTriggers } from '@cf/contract';
import { MESSAGE_LOG, type MessageLog, MessagePublisher, type Publisher } from '@cf/messaging';
import type { Database } from '@cf/persistence';
import { REGISTRY_DATABASE } from '../database/registry-database.token.js';
import { PUBLISHED_CHANNEL } from './append-change.js';
import type { ChangeEntity } from './change.entity.js';
import type { Change } from './published-kind.js';

/** Enough to fill a few produce requests, few enough that what is published twice after a crash stays small. */
const ROUND_CHANGES_MAX = 500;

type WaitingChange = Pick<ChangeEntity, 'id' | 'topic' | 'value'> & { readonly resource_id: string };

export interface Round {
  readonly published: number;
  readonly failure: Error | null;
}

const topics = new Map([registryChanges, registryTriggers].map((topic) => [topic.name as string, topic]));

/**
 * Of a resource's changes only those before its first failed one are done: the others are published again behind it, so that
 * the last record of a resource is always its newest.
 */
export const doneChanges = (changes: readonly WaitingChange[], failed: ReadonlySet<string>): string[] => {
  const stopped = new Set<string>();
  return changes.flatMap(({ id, resource_id }) => {
    if (failed.has(id)) stopped.add(resource_id);
    return stopped.has(resource_id) ? [] : [id];
  });
};

/** One round of the relay: the oldest waiting changes go to their topics in order, and leave the table once acknowledged. */
@Injectable()
export class PublishChanges {
  private readonly publisher: Publisher;
  private readonly messages: MessagePublisher;

  constructor(
    @Inject(REGISTRY_DATABASE) private readonly database: Database,
    @Inject(MESSAGE_LOG) log: MessageLog,
  ) {
    this.publisher = log.createPublisher('registry.changes', 'step');
    this.messages = new MessagePublisher(this.publisher);
  }

  async round(): Promise<Round> {
    const changes = await this.database.query<WaitingChange>(
      'SELECT id, topic, resource_id, value FROM registry.changes WHERE publish_at <= now() ORDER BY id LIMIT $1',
      [ROUND_CHANGES_MAX],
    );
    if (changes.length === 0) return { published: 0, failure: null };
    const outcomes = await Promise.allSettled(changes.map((change) => this.publish(change)));
    const failures = outcomes.flatMap((outcome, index) =>
      outcome.status === 'rejected' ? [{ id: changes[index]?.id ?? '', reason: outcome.reason as Error }] : [],
    );
    const done = doneChanges(changes, new Set(failures.map(({ id }) => id)));
    await this.database.query(
      `WITH done AS (DELETE FROM registry.changes WHERE id = ANY($1::bigint[]) RETURNING id) SELECT pg_notify($2, id::text) FROM done`,
      [done, PUBLISHED_CHANNEL],
    );
    return { published: done.length, failure: failures[0]?.reason ?? null };
  }

  async close(): Promise<void> {
    await this.publisher.close();
  }

  private publish({ topic: name, resource_id: key, value }: WaitingChange): Promise<void> {
    if (value === null) return this.publisher.publish({ topic: name, key, value: null });
    const topic = topics.get(name);
    if (topic === undefined) return Promise.reject(new Error(`a change names the topic ${name}`));
    return this.messages.publish(topic, JSON.parse(value) as Change, { text: value });
  }
}
