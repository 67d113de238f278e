import { connect, type Socket } from 'node:net';
import { OPERATOR_TOKEN } from './running-executions.js';

export interface StreamEvent {
  readonly id: string | null;
  readonly event: string;
  // The shape of an event is what the specs are about.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly data: any;
}

const parse = (block: string): StreamEvent | null => {
  const fields = new Map(
    block.split('\n').flatMap((line) => {
      const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, value ?? ''] as const];
    }),
  );
  const data = fields.get('data');
  return data === undefined ? null : { id: fields.get('id') ?? null, event: fields.get('event') ?? 'message', data: JSON.parse(data) };
};

/** A reader of Server-Sent Events as a browser is one: it keeps the last id, also of heartbeats. */
export class StreamReader {
  readonly events: StreamEvent[] = [];
  lastId: string | null = null;
  heartbeats = 0;
  ended = false;
  private readonly closing = new AbortController();

  private constructor(readonly status: number) {}

  static async open(url: string, options: { token?: string; lastEventId?: string } = {}): Promise<StreamReader> {
    const closing = new AbortController();
    const answer = await fetch(url, {
      signal: closing.signal,
      headers: {
        accept: 'text/event-stream',
        authorization: `Bearer ${options.token ?? OPERATOR_TOKEN}`,
        ...(options.lastEventId === undefined ? {} : { 'last-event-id': options.lastEventId }),
      },
    });
    const reader = new StreamReader(answer.status);
    reader.closing.signal.addEventListener('abort', () => closing.abort());
    void reader
      .read(answer.body!)
      .catch(() => undefined)
      .finally(() => (reader.ended = true));
    return reader;
  }

  close(): void {
    this.closing.abort();
  }

  private async read(body: ReadableStream<Uint8Array>): Promise<void> {
    let rest = '';
    const decoder = new TextDecoder();
    for await (const chunk of body) {
      const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) this.take(block);
    }
  }

  private take(block: string): void {
    if (block.includes(': heartbeat')) this.heartbeats++;
    const [, id] = /^id: (.*)$/m.exec(block) ?? [];
    if (id !== undefined) this.lastId = id;
    const event = parse(block);
    if (event !== null) this.events.push(event);
  }
}

/** A reader that asks for a stream. */
export const ask = (address: string, path: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(address);
    const socket = connect({ host: hostname, port: Number(port) }, () => {
      socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${OPERATOR_TOKEN}\r\n\r\n`, () => resolve(socket));
    });
    socket.on('error', reject);
  });

/** A reader that opens a stream and then takes nothing. */
export const openAndStall = async (address: string, path: string): Promise<Socket> => {
  const socket = await ask(address, path);
  return new Promise((resolve) => socket.once('data', () => resolve(socket.pause())));
};
