/**
 * Tells the readers of this process what changed.
 *
 * - catching up: a reader that comes back, or that fell behind, reads changes from its own position at its own pace. Nothing waits
 *   for it in memory beyond the buffer of its connection; one that takes nothing for too long is cut off, and so is one so far behind
 *   that what it needs may be forgotten. It hears of the gap when it comes back.
 * - live: it has everything up to the position that all live readers share. One query at a time serves them all.
 *
 * A live reader whose buffer is full goes back to catching up, so that it holds up nobody else.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { LOGGER } from '@cf/service-kit';
import type { Logger } from 'pino';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import { type ExecutionFilters, isWanted } from '../query/execution-filters.js';
import { executionView } from '../query/execution-view.js';
import type { EventStream } from './event-stream.js';
import { type Changes, type ExecutionChange, ExecutionChanges } from './execution-changes.repository.js';
import { OpenStreams } from './open-streams.js';
import { isAfter, isKept, type StreamPosition, writePosition } from './stream-position.js';

/** Changes in one read: a megabyte or so of rows. */
const READ_MAX = 1_000;
const PRUNE_EVERY_MS = 30_000;
/** What a position promises is kept a little longer than it promises. */
const KEPT_LONGER_MS = 60_000;

interface Reader {
  readonly orgId: string;
  readonly filters: ExecutionFilters;
  readonly stream: EventStream;
  position: StreamPosition;
}

@Injectable()
export class ExecutionFeed implements OnApplicationBootstrap {
  private readonly stopping = new AbortController();
  private readonly live = new Set<Reader>();
  private position: StreamPosition = { xid: 0n, position: 0n, index: 0, atMs: 0 };
  private telling: Promise<void> | null = null;
  private pruning: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly changes: ExecutionChanges,
    private readonly streams: OpenStreams,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
  ) {}

  onApplicationBootstrap(): void {
    const prune = (): void => {
      this.pruning = this.pruning
        .then(() => this.changes.prune(this.config.EXECUTIONS_STREAM_RESUME_MS + KEPT_LONGER_MS))
        .catch(() => undefined);
    };
    this.timer = setInterval(prune, PRUNE_EVERY_MS).unref();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    clearInterval(this.timer);
    await Promise.all([this.telling, this.pruning]);
  }

  /** Tells the stream everything after `position` that its filters want, for as long as it is open. */
  join(stream: EventStream, orgId: string, filters: ExecutionFilters, position: StreamPosition): void {
    const reader: Reader = { orgId, filters, stream, position };
    stream.place = () => writePosition(reader.position);
    stream.onClose(() => this.live.delete(reader));
    void this.catchUp(reader);
  }

  private async catchUp(reader: Reader): Promise<void> {
    while (reader.stream.isOpen && !this.stopping.signal.aborted) {
      if (!(await reader.stream.taken(this.config.EXECUTIONS_STREAM_STUCK_MS))) return this.streams.cutOff(reader.stream, 'slow_reader');
      const read = await this.read(reader.position, [reader.orgId]);
      if (read === null) continue;
      if (!this.isKept(reader.position, read)) return this.streams.cutOff(reader.stream, 'position_not_kept');
      if (!this.tellAll(reader, read) || read.more) continue;
      if (this.live.size === 0) this.position = reader.position;
      if (isAfter(this.position, reader.position)) continue;
      if (!reader.stream.isOpen) return;
      this.live.add(reader);
      this.telling ??= this.tellLive().finally(() => (this.telling = null));
      return;
    }
  }

  private async tellLive(): Promise<void> {
    while (this.live.size > 0 && !this.stopping.signal.aborted) {
      const asked = new Set(this.live);
      const read = await this.read(this.position, [...new Set([...asked].map(({ orgId }) => orgId))]);
      if (read === null) continue;
      if (!this.isKept(this.position, read)) for (const { stream } of this.live) this.streams.cutOff(stream, 'position_not_kept');
      this.position = read.position;
      for (const reader of this.live) {
        // Who came while others were read for may miss what changed meanwhile.
        if (asked.has(reader) && this.tellAll(reader, read)) continue;
        this.live.delete(reader);
        void this.catchUp(reader);
      }
      if (!read.more) await this.pause();
    }
  }

  private isKept(position: StreamPosition, { nowMs }: Changes): boolean {
    return isKept(position, nowMs, this.config.EXECUTIONS_STREAM_RESUME_MS);
  }

  /** False when the reader's buffer is full; its position then is that of the last change it was told. */
  private tellAll(reader: Reader, { changes, position }: Changes): boolean {
    for (const change of changes) {
      if (!isAfter(change.at, reader.position)) continue;
      reader.position = change.at;
      if (!this.tell(reader, change)) return false;
    }
    if (isAfter(position, reader.position)) reader.position = position;
    return true;
  }

  private tell({ stream, filters, orgId }: Reader, { at, row }: ExecutionChange): boolean {
    if (row.orgId !== orgId || !isWanted(row, filters)) return true;
    return stream.send('execution', executionView(row), writePosition(at));
  }

  /** Null after a failure and a pause: Postgres is away, the streams stay. */
  private async read(after: StreamPosition, orgIds: readonly string[]): Promise<Changes | null> {
    try {
      return await this.changes.read(after, orgIds, READ_MAX);
    } catch (error) {
      this.logger.warn({ err: error }, 'live streams wait');
      await this.pause(1_000);
      return null;
    }
  }

  private async pause(ms: number = this.config.EXECUTIONS_STREAM_LOOK_EVERY_MS): Promise<void> {
    await wait(ms, undefined, { signal: this.stopping.signal }).catch(() => undefined);
  }
}
