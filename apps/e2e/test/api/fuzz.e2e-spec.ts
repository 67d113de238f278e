/**
 * 10,000 requests made from the OpenAPI document, right and wrong ones, against the product in one process: no answer is a 5xx, and no answer is
 * outside the document. A run prints its seed; `CF_FUZZ_SEED=<seed> npm test -- apps/e2e/test/api/fuzz` plans the same requests again.
 */
import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CustomerEndpoint } from '@cf/testing';
import fc from 'fast-check';
import { AnswerCheck, operationsOf, type WireAnswer } from '../../../../tools/documents/answer-check.js';
import { presentOpenApi, root } from '../../../../tools/documents/documents.js';
import { readProblems } from '../../../../tools/documents/problems.js';
import { type Installation, startInstallation } from '../harness/installation.js';
import { Tenant } from '../harness/tenant.js';
import { type Caller, type PlannedRequest, requestArbitrary } from './request-arbitrary.js';
import { setStage, type Stage } from './stage.js';
import { send, type WireRequest } from './wire.js';

const REQUESTS = Number(process.env['CF_FUZZ_REQUESTS'] ?? 10_000);
const SEED = Number(process.env['CF_FUZZ_SEED'] ?? randomInt(2 ** 31));
/** Enough for races between requests, few enough that a small machine answers each soon. */
const AT_ONCE = 16;

const document = presentOpenApi({ closed: true });
const operations = operationsOf(document);
const check = new AnswerCheck(document);
const problems = readProblems(root);

let product: Installation;
let endpoint: CustomerEndpoint;
let stage: Stage;
let other: Tenant;
let tokens: Record<Caller, string | null>;
beforeAll(async () => {
  endpoint = await CustomerEndpoint.start();
  product = await startInstallation('embedded');
  stage = await setStage(product, endpoint);
  other = await Tenant.create(product.operator);
  const narrow = await product.operator.created(stage.tenant.path('access-tokens'), { name: 'narrow', scopes: ['triggers:read'] });
  tokens = {
    operator: product.operatorToken,
    tenant: stage.tenant.token,
    narrow: String(narrow['token']),
    'other tenant': other.token,
    stranger: 'somebody',
    nobody: null,
  };
});
afterAll(async () => {
  await endpoint.close();
  await product.stop();
});

const fill = (text: string): string =>
  text.replace(/~([a-zA-Z-]+)~/g, (_, name: string) => {
    if (name === 'endpoint') return endpoint.url;
    if (name === 'other-orgId') return other.orgId;
    return name === 'orgId' ? stage.tenant.orgId : (stage.known.of(name.replace(/^other-/, '')) ?? '6b1c7a52-8f1e-4a0e-9a63-0c6a1c6f5d99');
  });

const filled = ({ method, url, headers, body, caller }: PlannedRequest): WireRequest => {
  const token = tokens[caller];
  return {
    method,
    url: fill(url),
    headers: [...headers, ...(token === null ? [] : ['authorization', `Bearer ${token}`])],
    body: typeof body === 'string' ? fill(body) : body,
  };
};

/** What is refused before a route is found, or without one. */
const complaintsWithoutOperation = ({ status, text }: WireAnswer): string[] => {
  if (status < 400 || text === '') return [];
  const { code = '' } = JSON.parse(text) as { code?: string };
  return problems.get(code)?.status === status ? [] : [`the code ${code} is not one of ${status}`];
};

const complaintsAbout = ({ operation, caller, url }: PlannedRequest, answer: WireAnswer): string[] => [
  ...(answer.status >= 500 ? [`${answer.status}: ${answer.text}`] : []),
  ...(operation === null ? complaintsWithoutOperation(answer) : check.complaints(operation, answer)),
  ...(caller === 'other tenant' && url.startsWith('/v1/orgs/~orgId~') && answer.status < 400 ? ['another organization got in'] : []),
];

const shown = ({ method, url, headers, body }: WireRequest): string =>
  `${method.toUpperCase()} ${url.slice(0, 600)}\n  ${headers.map((header) => header.slice(0, 100)).join(' ')}\n  ${body === null ? '' : String(body).slice(0, 1_000)}`;

describe(`${REQUESTS} requests over the whole API (CF_FUZZ_SEED=${SEED})`, () => {
  it('get no 5xx, and no answer outside the document', async () => {
    const planned = fc.sample(requestArbitrary(document, operations), { numRuns: REQUESTS, seed: SEED });
    const wrong: string[] = [];
    const succeeded = new Set<string>();
    let next = 0;
    const sendAll = async (): Promise<void> => {
      for (let plan = planned[next++]; plan !== undefined && wrong.length < 10; plan = planned[next++]) {
        const number = next;
        const request = filled(plan);
        const answer = await send(product.address, request);
        const complaints = complaintsAbout(plan, answer);
        if (complaints.length > 0) wrong.push(`request ${number} of seed ${SEED}: ${shown(request)}\n  ${complaints.join('\n  ')}`);
        if (plan.operation === null || answer.status >= 300) continue;
        succeeded.add(plan.operation.operationId);
        if (plan.operation.path.startsWith('/v1/orgs/') && request.url.includes(stage.tenant.orgId))
          stage.known.learn(plan.operation.path, answer);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, sendAll));
    expect(wrong).toEqual([]);
    // A run of refusals alone would show little.
    expect(succeeded.size).toBeGreaterThan(operations.length * 0.8);
  }, 180_000);

  it('leave the product ready', async () => {
    const { status } = await send(product.address, { method: 'get', url: '/health/ready', headers: [], body: null });
    expect(status).toBe(200);
  });
});
