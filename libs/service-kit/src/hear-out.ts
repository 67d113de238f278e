import type { IncomingMessage } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

/** More than somebody sends by mistake; whoever sends on is cut off, and may see that instead of the answer. */
const HEARD_BYTES_MAX = 64 * 1024 * 1024;
const HEARD_MS_MAX = 5_000;

/** Lets go of what still comes of a request's body; resolves at its end or at the bounds. */
const hearOut = async (request: IncomingMessage): Promise<void> => {
  const enough = new AbortController();
  const stop = (): void => enough.abort();
  let bytes = 0;
  const count = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > HEARD_BYTES_MAX) stop();
  };
  for (const event of ['end', 'close', 'error']) request.once(event, stop);
  request.on('data', count).resume();
  await setTimeout(HEARD_MS_MAX, undefined, { signal: enough.signal }).catch(() => undefined);
  request.off('data', count);
};

/**
 * A body that is too large is read to its end before its refusal is sent: the connection is closed with that answer, and a client that
 * still writes would see a broken connection in its place.
 */
export const hearOutBeforeRefusing = (app: NestFastifyApplication): void => {
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onSend', async ({ raw }, reply) => {
      if (reply.statusCode === 413 && !raw.complete && !raw.destroyed) await hearOut(raw);
    });
};
