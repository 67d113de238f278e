/** The OpenAPI document against the product that runs: the router, and every example that the document shows. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CustomerEndpoint } from '@cf/testing';
import { AnswerCheck, type DocumentedOperation, operationsOf } from '../../../../tools/documents/answer-check.js';
import { documentNames, presentOpenApi, publishedDocument } from '../../../../tools/documents/documents.js';
import { type Installation, startInstallation } from '../harness/installation.js';
import { setStage, type Stage } from './stage.js';
import { send, type WireRequest } from './wire.js';

const document = presentOpenApi({ closed: true });
const operations = operationsOf(document);
const check = new AnswerCheck(document);

let product: Installation;
let endpoint: CustomerEndpoint;
let stage: Stage;
beforeAll(async () => {
  endpoint = await CustomerEndpoint.start();
  product = await startInstallation('embedded');
  stage = await setStage(product, endpoint);
});
afterAll(async () => {
  // First, since calls that hang would be drained.
  await endpoint.close();
  await product.stop();
});

/** What creates comes first; deletions come last, users before what they use. */
const inOrder = [
  ...operations.filter(({ method }) => method === 'post'),
  ...operations.filter(({ method }) => !['post', 'delete'].includes(method)),
  ...operations.filter(({ method }) => method === 'delete').toReversed(),
];

const knownPath = ({ path }: DocumentedOperation): string =>
  path.endsWith('/cancellation')
    ? stage.known.path(path).replace(/executions\/[^/]+/, `executions/${stage.waitingId}`)
    : stage.known.path(path);

const authorized = (): string[] => ['authorization', `Bearer ${product.operatorToken}`];
const anonymous = (url: string): WireRequest => ({ method: 'get', url, headers: [], body: null });

/** What the document says that may be sent. */
const documentedRequest = ({ method, parameters, requestBody }: DocumentedOperation, url: string, etag?: string): WireRequest => {
  const [type, content] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  const headers = parameters
    .filter((each) => each.in === 'header' && each.required)
    .flatMap(({ name, example }) => [name, etag ?? example ?? '']);
  return {
    method,
    url,
    headers: [...authorized(), ...(content?.example === undefined ? [] : ['content-type', type ?? '']), ...headers],
    body: content?.example === undefined ? null : JSON.stringify(stage.known.put(content.example)),
  };
};

describe('the document and the router', () => {
  it('have the same routes', () => {
    const mounted = product.routes
      .filter(({ method }) => method !== 'HEAD')
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
    expect(operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`).toSorted()).toEqual(mounted.toSorted());
  });
});

const created = async (collection: DocumentedOperation): Promise<void> =>
  stage.known.learn(collection.path, await send(product.address, documentedRequest(collection, knownPath(collection))));

/** The version that `If-Match` asks for. */
const etagOf = async (url: string): Promise<string | undefined> => {
  const { headers } = await send(product.address, { ...anonymous(url), headers: authorized() });
  return headers['etag'];
};

describe('every operation, sent as the document shows it', () => {
  it.each(inOrder.map((operation) => [operation.operationId, operation] as const))('%s is answered as it says', async (_, operation) => {
    const collection = operations.find(({ method, path }) => method === 'post' && path === operation.path.replace(/\/\{\w+\}$/, ''));
    // Something that nobody uses.
    if (operation.method === 'delete' && collection !== undefined) await created(collection);
    const url = knownPath(operation);
    const etag = ['put', 'patch'].includes(operation.method) ? await etagOf(url) : undefined;
    const answer = await send(product.address, documentedRequest(operation, url, etag));
    stage.known.learn(operation.path, answer);
    expect([Math.trunc(answer.status / 100), answer.text]).toEqual([2, answer.text]);
    expect(check.complaints(operation, answer)).toEqual([]);
  });
});

describe('the reference page', () => {
  it('is the page, its parts and the document, all from this address', async () => {
    const page = await send(product.address, anonymous('/docs'));
    const parts = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, part]) => part ?? '');
    expect(parts).toHaveLength(4);
    for (const part of [...parts, 'openapi.json']) {
      const { host, pathname } = new URL(part, `${product.address}/docs`);
      expect(host).toBe(new URL(product.address).host);
      expect([part, (await send(product.address, anonymous(pathname))).status]).toEqual([part, 200]);
    }
    const start = await send(product.address, anonymous('/docs/start.js'));
    expect(start.text).toContain("url: 'openapi.json'");
    expect(start.text).toContain('validatorUrl: null');
  });

  it('may ask no other address, whatever its scripts would like', async () => {
    const { headers } = await send(product.address, anonymous('/docs'));
    const policy = (headers['content-security-policy'] ?? '').split('; ').map((line) => line.split(' '));
    expect(policy.map(([directive]) => directive)).toEqual(expect.arrayContaining(['default-src', 'script-src', 'connect-src']));
    expect(policy[0]).toEqual(['default-src', "'none'"]);
    expect(new Set(policy.flatMap(([, ...sources]) => sources))).toEqual(new Set(["'none'", "'self'", "'unsafe-inline'", 'data:']));
  });

  it('loads styles that name no other address', async () => {
    const { text } = await send(product.address, anonymous('/docs/swagger-ui.css'));
    const named = [...text.matchAll(/(?:url\(|@import\s*)["']?([^"')]+)/g)].map(([, address]) => address ?? '');
    expect(named.filter((address) => !address.startsWith('data:'))).toEqual([]);
  });

  it('serves nothing else of the package', async () => {
    for (const file of ['package.json', 'index.html', '..%2fpackage.json', '%2e%2e%2findex.js'])
      expect([file, (await send(product.address, anonymous(`/docs/${file}`))).status]).toEqual([file, 404]);
  });
});

describe.each(documentNames)('/%s.json', (name) => {
  it('is the published document', async () => {
    const { text, status } = await send(product.address, anonymous(`/${name}.json`));
    expect([status, JSON.parse(text)]).toEqual([200, publishedDocument(name)]);
  });
});
