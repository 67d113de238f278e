import { setTimeout as wait } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { LOGGER } from '@cf/service-kit';
import type { Logger } from 'pino';
import type { EventStream } from '../stream/event-stream.js';
import { OpenStreams } from '../stream/open-streams.js';
import { notificationView } from './notification.js';
import { Notifications, type StreamStart } from './notifications.repository.js';

/** Notifications are for people: a second is soon enough. */
const LOOK_EVERY_MS = 1_000;
const READ_MAX = 500;

interface Reader {
  /** Null: an operator, who hears of all. */
  readonly orgId: string | null;
  readonly stream: EventStream;
  position: bigint;
}

/** Tells the readers of this process what is new. One query at a time serves them all, each from its own position. */
@Injectable()
export class NotificationFeed {
  private readonly stopping = new AbortController();
  private readonly readers = new Set<Reader>();
  private telling: Promise<void> | null = null;

  constructor(
    private readonly notifications: Notifications,
    private readonly streams: OpenStreams,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.telling;
  }

  join(stream: EventStream, orgId: string | null, { position, isWhole }: StreamStart): void {
    if (!isWhole) stream.send('gap', { reason: 'position_not_kept' });
    const reader: Reader = { orgId, stream, position };
    this.readers.add(reader);
    stream.place = () => String(reader.position);
    stream.onClose(() => this.readers.delete(reader));
    this.telling ??= this.tell().finally(() => (this.telling = null));
  }

  private async tell(): Promise<void> {
    while (this.readers.size > 0 && !this.stopping.signal.aborted) {
      const isMore = await this.tellOnce();
      if (!isMore) await wait(LOOK_EVERY_MS, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  private async tellOnce(): Promise<boolean> {
    const readers = [...this.readers];
    const from = readers.reduce((lowest, { position }) => (position < lowest ? position : lowest), readers[0]?.position ?? 0n);
    try {
      const orgIds = [...new Set(readers.map(({ orgId }) => orgId))].filter((orgId) => orgId !== null);
      const wanted = readers.some(({ orgId }) => orgId === null) ? null : orgIds;
      const found = await this.notifications.since(String(from), wanted, READ_MAX);
      const end = found.at(-1);
      for (const reader of readers) {
        for (const one of found) {
          if ((reader.orgId !== null && one.orgId !== reader.orgId) || BigInt(one.position) <= reader.position) continue;
          reader.position = BigInt(one.position);
          if (!reader.stream.send('notification', notificationView(one), one.position)) this.streams.cutOff(reader.stream, 'slow_reader');
        }
        if (end !== undefined && BigInt(end.position) > reader.position) reader.position = BigInt(end.position);
      }
      return found.length === READ_MAX;
    } catch (error) {
      this.logger.warn({ err: error }, 'notifications wait');
      return false;
    }
  }
}
