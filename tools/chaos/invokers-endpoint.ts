/**
 * The customer's endpoint of an invokers run, a process that no fault touches. Each worker dials an address of its own, so the log says who
 * called. A call is written down before it is waited for and again before it is answered; the wait is random up to 20 ms, as endpoints are, and
 * seconds for the plan's slow function. It speaks just enough HTTP/1.1 for one client, so that the load is the invokers' and not its own.
 *
 * Its control address answers `GET /`, what it saw so far, and `POST /linger?worker=&calls=&ms=`: the next so many triggers of a worker take
 * so long.
 */
import { createServer as createControl } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { findId, isSlow, type Lane, SLOW } from '../checker/invocation-plan.ts';
import { LineWriter, logFile } from '../checker/invokers-facts.ts';

const DELAY_MS_MAX = 20;
const FLUSH_MS = 50;
const ANSWER = Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n{"returnValue":"yes"}');

const [folder = '.', workersText = '1'] = process.argv.slice(2);
const workers = Number(workersText);
const log = new LineWriter(logFile(folder, 'calls'));
setInterval(() => log.flush(), FLUSH_MS);

let calls = 0;
let open = 0;
const byWorker = new Array<number>(workers + 1).fill(0);
const lingering = Array.from({ length: workers + 1 }, () => ({ calls: 0, ms: 0 }));

const delayOf = (worker: number, lane: Lane, number: number): number => {
  const linger = lingering[worker];
  if (lane === 'trigger' && isSlow(number)) return SLOW.callMs;
  if (lane === 'step' || linger === undefined || linger.calls === 0) return Math.random() * DELAY_MS_MAX;
  linger.calls--;
  return linger.ms;
};

const onCall = (worker: number, body: string, socket: Socket): void => {
  const asked = findId(body);
  if (asked === null) throw new Error(`a call that nobody asked for: ${body}`);
  const call = ++calls;
  open++;
  byWorker[worker]!++;
  log.write('+', call, worker, asked.lane, asked.number, Date.now());
  setTimeout(
    () => {
      log.write('-', call);
      open--;
      if (!socket.destroyed) socket.write(ANSWER);
    },
    delayOf(worker, asked.lane, asked.number),
  );
};

const serve = (worker: number, socket: Socket): void => {
  let rest = '';
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    rest += chunk.toString('latin1');
    for (;;) {
      const end = rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(rest.slice(0, end + 2))?.[1] ?? 0);
      if (rest.length < end + 4 + length) return;
      onCall(worker, rest.slice(end + 4, end + 4 + length), socket);
      rest = rest.slice(end + 4 + length);
    }
  });
};

/** The address that worker number n dials; the control address is 127.0.0.1. */
const addressOf = (worker: number): string => `127.0.0.${10 + worker}`;
const listen = (worker: number, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer((socket) => serve(worker, socket));
    server.once('error', reject);
    server.listen(port, addressOf(worker), () => resolve((server.address() as AddressInfo).port));
  });

const port = await listen(1, 0);
for (let worker = 2; worker <= workers; worker++) await listen(worker, port);

const control = createControl((request, response) => {
  const { searchParams } = new URL(request.url ?? '/', 'http://control');
  if (request.method === 'POST') {
    lingering[Number(searchParams.get('worker'))] = { calls: Number(searchParams.get('calls')), ms: Number(searchParams.get('ms')) };
  }
  response.end(JSON.stringify({ port, calls, open, byWorker, lingering: lingering.map((linger) => linger.calls) }));
});
// Who asks keeps its connection, however busy the machine is.
control.keepAliveTimeout = 0;
control.listen(0, '127.0.0.1', () => {
  process.stdout.write(`the endpoint is ready on http://127.0.0.1:${(control.address() as AddressInfo).port}\n`);
});
process.once('SIGTERM', () => {
  log.close();
  process.exit(0);
});
