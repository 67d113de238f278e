/**
 * The customer of every candidate: answers a POST with a branch, counts calls and keeps nothing. It speaks just enough HTTP/1.1 for the
 * clients measured here, so that it costs a fraction of what they do. `/ok` answers at once, `/delay/50` after 50 ms, `/bimodal` after 5 ms
 * or, one in twenty, 1 s; `/hang` never answers and is not counted.
 * `GET /stats` answers {calls, firstAt, lastAt}, `POST /reset` forgets.
 */
import { createServer } from 'node:net';

const answer = Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n{"returnValue":"yes"}');
let calls = 0;
let firstAt = 0;
let lastAt = 0;

const delayOf = (head: string): number => {
  if (head.startsWith('post /delay/')) return Number(/\d+/.exec(head)?.[0] ?? 0);
  if (head.startsWith('post /bimodal')) return calls % 20 === 0 ? 1_000 : 5;
  return 0;
};

const json = (body: object): string => {
  const text = JSON.stringify(body);
  return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
};

createServer((socket) => {
  let rest = '';
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
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
        socket.write(json({}));
      } else {
        if (head.startsWith('post /hang')) continue;
        lastAt = performance.now();
        if (calls++ === 0) firstAt = lastAt;
        const delayMs = delayOf(head);
        if (delayMs === 0) socket.write(answer);
        else setTimeout(() => socket.write(answer), delayMs);
      }
    }
  });
}).listen(Number(process.argv[2] ?? 0), '127.0.0.1', function (this: import('node:net').Server) {
  process.stdout.write(`ready ${(this.address() as import('node:net').AddressInfo).port}\n`);
});
