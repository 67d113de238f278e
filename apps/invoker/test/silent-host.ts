import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

/** Listens on a thread that then stops for ever, so that nobody accepts what arrives. */
const STOPPED = `
const { createServer } = require('node:net');
const { workerData, parentPort } = require('node:worker_threads');
const server = createServer().listen({ ...workerData, backlog: 1 }, () => {
  parentPort.postMessage('listening');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});`;
/** More than a backlog of one holds, so that the system drops what comes after. */
const WAITING = 4;

/** An address that answers nothing at all, not even that there is nobody: a firewall's favourite. Resolves to its end. */
export const silence = async (host: string, port: number): Promise<() => Promise<void>> => {
  const worker = new Worker(STOPPED, { eval: true, workerData: { host, port } });
  await new Promise((resolve) => worker.once('message', resolve));
  const waiting = Array.from({ length: WAITING }, (): Socket => connect(port, host).on('error', () => undefined));
  await Promise.race(waiting.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
  return async () => {
    for (const socket of waiting) socket.destroy();
    await worker.terminate();
  };
};
