/** A customer's endpoint in miniature: answers a step with a branch and prints every call. */
import { createServer } from 'node:http';

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  process.stdout.write(`${request.method} ${request.url} ${request.headers['x-cloud-function-invocation-id'] ?? '-'} ${text}\n`);
  response.setHeader('content-type', 'application/json');
  response.end(text.includes('"CloudFunctionStepExecution"') ? '{"returnValue":"Scheduled"}' : '{}');
});
server.listen(Number(process.env.PORT ?? 8080), process.env.HOST ?? '0.0.0.0');
process.once('SIGTERM', () => server.close());
