/**
 * The customer of every candidate: answers each POST at once with a branch, counts calls and keeps nothing. It speaks just enough
 * HTTP/1.1 for the clients measured here, so that it costs a fraction of what they do.
 * `GET /stats` answers {calls, firstAt, lastAt}, `POST /reset` forgets.
 */
import { createServer } from 'node:net';

const answer = Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n{"returnValue":"yes"}');
let calls = 0;
let firstAt = 0;
let lastAt = 0;

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
        lastAt = performance.now();
        if (calls++ === 0) firstAt = lastAt;
        socket.write(answer);
      }
    }
  });
}).listen(Number(process.argv[2] ?? 0), '127.0.0.1', function (this: import('node:net').Server) {
  process.stdout.write(`ready ${(this.address() as import('node:net').AddressInfo).port}\n`);
});
