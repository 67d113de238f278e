/**
 * The customer of every candidate: answers a POST with a branch, counts calls and keeps nothing. It speaks just enough HTTP/1.1 for the
 * clients measured here, so that it costs a fraction of what they do. `/ok` answers at once, `/delay/50` after 50 ms, `/bimodal` after 5 ms
 * or, one in twenty, 1 s; `/status/500` at once with that status; `/hang` never answers and is not counted; `/slow` answers as `POST /pace/N` said
 * last, after N ms. `GET /stats` answers {calls, firstAt, lastAt}, `POST /reset` forgets, `POST /release` answers what hangs, until the next reset.
 */
import { createServer, type Socket } from 'node:net';

const answer = Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n{"returnValue":"yes"}');
let calls = 0;
let firstAt = 0;
let lastAt = 0;
let paceMs = 0;
let released = false;
const hanging = new Set<Socket>();

const numberIn = (head: string): number => Number(/\d+/.exec(head)?.[0] ?? 0);

const delayOf = (head: string): number => {
  if (head.startsWith('post /delay/')) return numberIn(head);
  if (head.startsWith('post /bimodal')) return calls % 20 === 0 ? 1_000 : 5;
  if (head.startsWith('post /slow')) return paceMs;
  return 0;
};

const answerOf = (head: string): Buffer =>
  head.startsWith('post /status/') ? Buffer.from(`HTTP/1.1 ${numberIn(head)} As asked\r\ncontent-length: 0\r\n\r\n`) : answer;

const json = (body: object): string => {
  const text = JSON.stringify(body);
  return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
};

createServer((socket) => {
  let rest = '';
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('close', () => hanging.delete(socket));
  socket.on('data', (chunk) => {
    rest += chunk.toString('latin1');
    for (;;) {
      const end = rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = rest.slice(0, end).toLowerCase();
      const length = Number(/\r\ncontent-length: *(\d+)/.exec(head)?.[1] ?? 0);
      if (rest.length < end + 4 + length) return;
      rest = rest.slice(end + 4 + length);
      if (head.startsWith('get /stats')) socket.write(json({ calls, firstAt, lastAt }));
      else if (head.startsWith('post /reset')) {
        calls = 0;
        released = false;
        socket.write(json({}));
      } else if (head.startsWith('post /release')) {
        released = true;
        for (const each of hanging) each.write(answer);
        hanging.clear();
        socket.write(json({}));
      } else if (head.startsWith('post /pace/')) {
        paceMs = numberIn(head);
        socket.write(json({}));
      } else if (head.startsWith('post /hang')) {
        if (released) socket.write(answer);
        else hanging.add(socket);
      } else {
        lastAt = performance.now();
        if (calls++ === 0) firstAt = lastAt;
        const delayMs = delayOf(head);
        if (delayMs === 0) socket.write(answerOf(head));
        else setTimeout(() => socket.write(answer), delayMs);
      }
    }
  });
}).listen(Number(process.argv[2] ?? 0), '127.0.0.1', function (this: import('node:net').Server) {
  process.stdout.write(`ready ${(this.address() as import('node:net').AddressInfo).port}\n`);
});
