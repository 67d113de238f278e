import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';

/** Why a stream ends that its reader did not close. */
export type CutOffReason = 'slow_reader' | 'position_not_kept' | 'token_ended' | 'shutting_down';

/** What is written and not taken yet; some 300 executions. Beyond it nothing is added until the reader has caught up. */
const BUFFER_BYTES_MAX = 256 * 1024;
/** For the last event to reach its reader; one that does not read is cut off without it. */
const LAST_EVENT_MS = 2_000;
/** A client waits this long before it connects again. */
const RETRY_MS = 2_000;

/** Server-Sent Events to one reader, with a bound on what waits for it. */
export class EventStream {
  /** The id from which its reader would go on now. */
  place: (() => string) | null = null;
  private readonly response: ServerResponse;
  private ended = false;

  constructor(reply: FastifyReply) {
    reply.hijack();
    this.response = reply.raw;
    this.onClose(() => (this.ended = true));
    if (this.isGone) return;
    this.response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // A proxy that collects what it passes on would hold events back.
      'x-accel-buffering': 'no',
    });
    if (reply.request.method === 'HEAD') {
      this.ended = true;
      this.response.end();
      return;
    }
    this.response.write(`retry: ${RETRY_MS}\n\n`);
  }

  get isOpen(): boolean {
    return !this.ended;
  }

  /** Nobody is at the other end. */
  get isGone(): boolean {
    return this.response.destroyed;
  }

  /** At once for a reader that went away before its stream began: its `close` has been told already. */
  onClose(listener: () => void): void {
    if (this.isGone) listener();
    else this.response.on('close', listener);
  }

  /** False when its reader should be waited for (`taken`) before more is sent. */
  send(event: string, data: unknown, id?: string): boolean {
    if (this.ended) return false;
    this.response.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    return this.response.writableLength < BUFFER_BYTES_MAX;
  }

  /** Shows that the connection lives, and moves the place from which its reader would go on. */
  heartbeat(): void {
    if (this.ended || this.response.writableLength >= BUFFER_BYTES_MAX) return;
    this.response.write(`: heartbeat\n${this.placeLine()}\n`);
  }

  /** Resolves once everything was taken; to false when that did not happen in time. */
  async taken(timeoutMs: number): Promise<boolean> {
    if (this.ended) return false;
    if (!this.response.writableNeedDrain) return true;
    const waiting = new AbortController();
    const signal = AbortSignal.any([waiting.signal, AbortSignal.timeout(timeoutMs)]);
    try {
      await Promise.race([once(this.response, 'drain', { signal }), once(this.response, 'close', { signal })]);
      return !this.ended;
    } catch {
      return false;
    } finally {
      waiting.abort();
    }
  }

  cutOff(reason: CutOffReason): void {
    if (this.ended) return;
    this.ended = true;
    this.response.end(`${this.placeLine()}event: cut_off\ndata: ${JSON.stringify({ reason })}\n\n`);
    setTimeout(() => this.response.destroy(), LAST_EVENT_MS).unref();
  }

  private placeLine(): string {
    const id = this.place?.();
    return id === undefined ? '' : `id: ${id}\n`;
  }
}
