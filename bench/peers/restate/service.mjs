/**
 * What a Restate user writes for an event that calls an endpoint: a virtual object for each chat, so that a chat's events keep their order, the call in a
 * durable step, its answer in the journal. The event chooses nothing here: there is one function, as there is one trigger beside it.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Pool } from 'undici';

const { FOLDER, TARGET, CONCURRENCY, PORT } = process.env;
const restate = createRequire(join(FOLDER, 'package.json'))('@restatedev/restate-sdk');
const pool = new Pool(TARGET, { connections: Number(CONCURRENCY), pipelining: 1 });

const call = async (event) => {
  const { statusCode, body } = await pool.request({
    path: '/ok',
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-cloud-function-invocation-id': event.id },
    body: JSON.stringify(event),
  });
  return { status: statusCode, answer: await body.text() };
};

const chats = restate.object({
  name: 'Chats',
  handlers: { onEvent: (context, event) => context.run('call', () => call(event)) },
});

await restate.serve({ services: [chats], port: Number(PORT) });
process.stdout.write('ready\n');
