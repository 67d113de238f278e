import { dripping, type HostileCase, http } from './hostile-case.js';

const BODY = '{"returnValue":"x"}';
const late = { failed: 'timeout' } as const;
const endless = (piece: string): string[] => Array.from({ length: 1_000 }, () => piece);

/** Answers that take their time: the time of the function ends them all. */
export const timingCases: readonly HostileCase[] = [
  { name: 'silence', answer: () => undefined, expected: late, timeoutMs: 300 },
  { name: 'headers a byte at a time', answer: dripping(20, [...http(BODY).toString()]), expected: late, timeoutMs: 300 },
  { name: 'a header without an end', answer: dripping(5, ['HTTP/1.1 200 OK\r\nx: ', ...endless('y')]), expected: late, timeoutMs: 300 },
  { name: 'headers without an end', answer: dripping(5, ['HTTP/1.1 200 OK\r\n', ...endless('x: y\r\n')]), expected: late, timeoutMs: 300 },
  {
    name: 'a body a byte at a time',
    answer: dripping(20, ['HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n', ...endless(' ')]),
    expected: late,
    timeoutMs: 300,
  },
  {
    name: 'chunks without an end',
    answer: dripping(5, ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', ...endless('1\r\n \r\n')]),
    expected: late,
    timeoutMs: 300,
  },
  {
    name: 'a compressed body that stops',
    answer: dripping(5, ['HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 100\r\n\r\n', Buffer.from('1f8b0800', 'hex')]),
    expected: late,
    timeoutMs: 300,
  },
  { name: 'interim answers for ever', answer: dripping(5, endless('HTTP/1.1 102 Processing\r\n\r\n')), expected: late, timeoutMs: 300 },
  { name: 'an answer after the time', answer: dripping(400, [http(BODY)]), expected: late, timeoutMs: 300 },
  {
    name: 'an answer in two halves',
    answer: dripping(20, [http(BODY).subarray(0, 30), http(BODY).subarray(30)]),
    expected: { value: 'x' },
  },
  { name: 'an answer byte by byte, in time', answer: dripping(1, [...http(BODY).toString()]), expected: { value: 'x' } },
  { name: 'a kept connection that is half-closed behind the answer', answer: http(BODY), expected: { value: 'x' } },
];
