/** The customer's endpoint of a chaos run, a process that no fault touches: writes down each call, then answers by its plan. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { planOf, statusOf } from '../checker/endpoint-plan.ts';
import { addFacts } from '../checker/facts-folder.ts';

const [folder = '.'] = process.argv.slice(2);
const calls = new Map<string, number>();

const server = createServer(async (request, response) => {
  const { id } = JSON.parse(Buffer.concat(await request.toArray()).toString()) as { id: string };
  const call = (calls.get(id) ?? 0) + 1;
  calls.set(id, call);
  const status = statusOf(planOf(id), call);
  const { 'x-cloud-function-invocation-id': invocationId, 'x-cloud-function-attempt': attempt } = request.headers;
  addFacts(folder, 'calls', [{ at: new Date().toISOString(), eventId: id, invocationId, attempt: Number(attempt), status }]);
  response.writeHead(status).end();
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`the endpoint is ready on http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
process.once('SIGTERM', () => process.exit(0));
