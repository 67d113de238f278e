import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type StepResult, stepRequests, stepResults } from '@cf/contract';
import { CustomerEndpoint, eventually } from '@cf/testing';
import { onBothLogs } from './harness/both-logs.js';
import { type Installation, startInstallation } from './harness/installation.js';
import { Tenant } from './harness/tenant.js';
import { TopicReader } from './harness/topic-reader.js';

onBothLogs('a step is answered', (engine) => {
  let product: Installation;
  let endpoint: CustomerEndpoint;
  let tenant: Tenant;
  let results: TopicReader<typeof stepResults>;

  beforeAll(async () => {
    product = await startInstallation(engine);
    endpoint = await CustomerEndpoint.start();
    tenant = await Tenant.create(product.operator);
    results = new TopicReader(product.log, stepResults);
  });
  afterAll(async () => {
    await results?.close();
    await product?.stop();
    await endpoint?.close();
  });

  const publish = async (value: string, key: string | null): Promise<void> => {
    const publisher = product.log.createPublisher('bot-runtime', 'step');
    await publisher.publish({ topic: stepRequests.name, key, value });
    await publisher.close();
  };
  const resultsOf = (requestId: string): StepResult[] =>
    results.messages().filter((result) => result.requestId.toLowerCase() === requestId.toLowerCase());

  it('over the topic and over HTTP, with exactly the ten keys in order', async () => {
    const path = `/ten-${randomUUID()}`;
    endpoint.answer(path, () => ({ status: 200, body: '{"returnValue":"Yes"}' }));
    const cloudFunctionId = await tenant.createFunction(endpoint.url, path.slice(1), { branchOptions: ['Yes', 'No'] });
    const request = tenant.stepRequest(cloudFunctionId, { timestamp: '2026-11-22T16:04:05.1+01:00', stepName: 'Ask "them"' });
    await publish(JSON.stringify(request), request.executionId);
    const [overTopic] = await eventually(() => {
      expect(resultsOf(request.requestId)).toHaveLength(1);
      return resultsOf(request.requestId);
    });
    const overHttp = await tenant.runStep(cloudFunctionId);
    for (const result of [overTopic, overHttp]) {
      expect(result).toMatchObject({
        outcome: 'succeeded',
        branch: { kind: 'option', option: 'Yes' },
        branchReason: 'matched',
        returnValue: 'Yes',
        attempts: 1,
      });
    }
    expect(endpoint.callsTo(path)[0]?.body.toString()).toBe(
      `{"type":"CloudFunctionStepExecution","orgId":"${tenant.orgId}","chatId":"${request.chatId}","executionId":"${request.executionId}",` +
        `"chatBotId":"${request.chatBotId}","chatBotName":"Appointment Scheduler","chatBotType":"LiveChat","stepName":"Ask \\"them\\"",` +
        `"stepId":"step-12","timestamp":"2026-11-22T15:04:05.100Z"}`,
    );
    expect(endpoint.callsTo(path)[0]?.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      accept: 'application/json',
      'x-cloud-function-attempt': '1',
      'x-cloud-function-invocation-id': overTopic?.invocationId,
    });
  });

  describe('by the outcome table', () => {
    const gzipOf = async (text: string): Promise<Buffer> => (await import('node:zlib')).gzipSync(text);
    const answers: [string, () => Promise<object>, Partial<StepResult>][] = [
      [
        'an option',
        async () => ({ status: 201, body: '{"returnValue":"Yes"}' }),
        { outcome: 'succeeded', branchReason: 'matched', returnValue: 'Yes', attribute: { name: 'A', value: 'Yes' } },
      ],
      [
        'no option',
        async () => ({ status: 200, body: '{"returnValue":"yes "}' }),
        {
          outcome: 'succeeded',
          branch: { kind: 'default', option: null },
          branchReason: 'default_unknown_value',
          nearMiss: 'Yes',
          attribute: { name: 'A', value: 'yes ' },
        },
      ],
      [
        'an empty body',
        async () => ({ status: 204 }),
        { outcome: 'succeeded', branchReason: 'default_empty', attribute: { name: 'A', value: '' } },
      ],
      [
        'an empty string',
        async () => ({ status: 200, body: '{"returnValue":""}' }),
        { outcome: 'succeeded', branchReason: 'default_empty', attribute: { name: 'A', value: '' } },
      ],
      [
        'text that is no JSON',
        async () => ({ status: 200, body: 'Yes' }),
        { outcome: 'succeeded', branchReason: 'default_invalid_response', warning: 'not_json', attribute: null },
      ],
      [
        'a list',
        async () => ({ status: 200, body: '["Yes"]' }),
        { branchReason: 'default_invalid_response', warning: 'not_an_object', attribute: null },
      ],
      [
        'a number',
        async () => ({ status: 200, body: '{"returnValue":1}' }),
        { branchReason: 'default_invalid_response', warning: 'return_value_not_string' },
      ],
      [
        'a novel',
        async () => ({ status: 200, body: JSON.stringify({ returnValue: 'x'.repeat(4_097) }) }),
        { branchReason: 'default_invalid_response', warning: 'return_value_too_long' },
      ],
      [
        'an unknown encoding',
        async () => ({ status: 200, headers: { 'content-encoding': 'zstd' }, body: 'x' }),
        { branchReason: 'default_invalid_response', warning: 'unknown_encoding' },
      ],
      [
        'gzip',
        async () => ({ status: 200, headers: { 'content-encoding': 'GZIP' }, body: await gzipOf('{"returnValue":"Yes"}') }),
        { outcome: 'succeeded', branchReason: 'matched' },
      ],
      [
        'a redirect',
        async () => ({ status: 302, headers: { location: '/elsewhere' } }),
        {
          outcome: 'failed',
          branch: { kind: 'failure', option: null },
          branchReason: 'failure_branch',
          failureReason: 'http_status',
          httpStatus: 302,
          attribute: null,
        },
      ],
      [
        'an error',
        async () => ({ status: 500, body: '{"returnValue":"Yes"}' }),
        { outcome: 'failed', branchReason: 'failure_branch', failureReason: 'http_status', httpStatus: 500 },
      ],
      [
        'too much',
        async () => ({ status: 200, body: 'x'.repeat(64 * 1024 + 1) }),
        { outcome: 'failed', failureReason: 'response_too_large' },
      ],
      [
        'a bomb',
        async () => ({ status: 200, headers: { 'content-encoding': 'gzip' }, body: await gzipOf('x'.repeat(1024 * 1024)) }),
        { outcome: 'failed', failureReason: 'response_too_large' },
      ],
    ];

    it.each(answers)('%s', async (name, answer, expected) => {
      const path = `/row-${name.replaceAll(' ', '-')}-${randomUUID()}`;
      const scripted = await answer();
      endpoint.answer(path, () => scripted as never);
      const cloudFunctionId = await tenant.createFunction(endpoint.url, path.slice(1), { branchOptions: ['Yes', 'No'] });
      const result = await tenant.runStep(cloudFunctionId, { saveValueToAttribute: 'A', failureBranch: true });
      expect(result).toMatchObject(expected);
      expect(endpoint.callsTo(path)).toHaveLength(1);
    });

    it('a failure without a failure branch takes the default path', async () => {
      const path = `/no-branch-${randomUUID()}`;
      endpoint.answer(path, () => ({ status: 400 }));
      const result = await tenant.runStep(await tenant.createFunction(endpoint.url, path.slice(1)), { failureBranch: false });
      expect(result).toMatchObject({ outcome: 'failed', branch: { kind: 'default', option: null }, branchReason: 'no_failure_branch' });
    });

    it('an endpoint that is not there', async () => {
      const result = await tenant.runStep(await tenant.createFunction('http://127.0.0.1:9', 'nothing'));
      expect(result).toMatchObject({ outcome: 'failed', failureReason: 'connection', attempts: 2 });
    });

    it('a name that does not resolve', async () => {
      const result = await tenant.runStep(await tenant.createFunction('http://nobody.invalid', 'x'));
      expect(result).toMatchObject({ outcome: 'failed', failureReason: 'dns' });
    });

    it('an address that is not public', async () => {
      const answer = await tenant.api.request('POST', tenant.path('registered-apis'), { name: 'Inside', baseUrl: 'http://10.0.0.1' });
      expect(answer.status).toBe(400);
    });

    it('plain http where TLS was expected', async () => {
      const result = await tenant.runStep(await tenant.createFunction(endpoint.url.replace('http:', 'https:'), 'x'));
      expect(result).toMatchObject({ outcome: 'failed', failureReason: 'tls' });
    });

    it('a function that is disabled, one that nobody knows, an organization without the feature', async () => {
      const disabled = await tenant.createFunction(endpoint.url, 'disabled', { enabled: false });
      expect(await tenant.runStep(disabled)).toMatchObject({ outcome: 'failed', failureReason: 'function_disabled', attempts: 0 });
      expect(await tenant.runStep(randomUUID())).toMatchObject({ outcome: 'failed', failureReason: 'function_unknown', attempts: 0 });
      const off = await Tenant.create(product.operator, 'Off', false);
      expect(await off.runStep(await off.createFunction(endpoint.url, 'off'))).toMatchObject({
        failureReason: 'feature_disabled',
        attempts: 0,
      });
    });

    it('a deadline that has passed already', async () => {
      const cloudFunctionId = await tenant.createFunction(endpoint.url, 'late');
      const request = tenant.stepRequest(cloudFunctionId, { deadline: new Date(Date.now() - 1_000).toISOString() });
      await publish(JSON.stringify(request), request.executionId);
      await eventually(() =>
        expect(resultsOf(request.requestId)[0]).toMatchObject({ outcome: 'failed', failureReason: 'deadline_exceeded' }),
      );
    });

    it('an endpoint that hangs ends at its timeout', async () => {
      const path = `/hang-${randomUUID()}`;
      endpoint.answer(path, () => ({ hang: true }));
      const result = await tenant.runStep(await tenant.createFunction(endpoint.url, path.slice(1), { timeoutMs: 1_000 }));
      expect(result).toMatchObject({ outcome: 'failed', failureReason: 'timeout', attempts: 1 });
      expect(result.durationMs).toBeGreaterThanOrEqual(990);
    });
  });

  it('the same request twice is one call and the same result, also in the other case of letters', async () => {
    const path = `/twice-${randomUUID()}`;
    const cloudFunctionId = await tenant.createFunction(endpoint.url, path.slice(1));
    const request = tenant.stepRequest(cloudFunctionId);
    await publish(JSON.stringify(request), request.executionId);
    await publish(JSON.stringify({ ...request, requestId: request.requestId.toUpperCase() }), request.executionId);
    await eventually(() => expect(resultsOf(request.requestId).length).toBeGreaterThanOrEqual(1));
    const again = await tenant.runStep(cloudFunctionId, { requestId: request.requestId, executionId: request.executionId });
    expect(again).toEqual(resultsOf(request.requestId)[0]);
    expect(endpoint.callsTo(path)).toHaveLength(1);
  });

  it('another organization with the same request id gets its own', async () => {
    const path = `/shared-id-${randomUUID()}`;
    const other = await Tenant.create(product.operator, 'Other');
    const requestId = randomUUID();
    const mine = await tenant.runStep(await tenant.createFunction(endpoint.url, path.slice(1)), { requestId });
    const theirs = await other.runStep(await other.createFunction(endpoint.url, path.slice(1)), { requestId });
    expect(mine.invocationId).not.toBe(theirs.invocationId);
    expect(theirs.orgId).toBe(other.orgId);
    expect(endpoint.callsTo(path)).toHaveLength(2);
    expect((await other.api.get(other.path(`executions/${mine.invocationId}`))).status).toBe(404);
  });

  it('nonsense gets a coded result when a request id can be found in it, else a dead letter', async () => {
    const requestId = randomUUID();
    await publish(JSON.stringify({ requestId, orgId: tenant.orgId, failureBranch: true, chatBotType: 'Fax' }), 'nonsense');
    await publish('no json at all', 'nonsense');
    await eventually(() =>
      expect(resultsOf(requestId)[0]).toMatchObject({
        outcome: 'failed',
        failureReason: 'invalid_request',
        branch: { kind: 'failure' },
        orgId: tenant.orgId,
      }),
    );
    const letters = new TopicReader(product.log, (await import('@cf/contract')).deadLetters);
    await eventually(() =>
      expect(letters.messages().some(({ origin, reason }) => origin.topic === stepRequests.name && reason === 'not_json')).toBe(true),
    );
    await letters.close();
    const refused = await tenant.api.request('POST', tenant.path('step-executions'), { requestId });
    expect(refused).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  });

  it('leaves an execution with its branch, its reason and its attempt', async () => {
    const path = `/recorded-${randomUUID()}`;
    endpoint.answer(path, () => ({ status: 200, body: '{"returnValue":"No"}' }));
    const result = await tenant.runStep(await tenant.createFunction(endpoint.url, path.slice(1), { branchOptions: ['No'] }));
    await eventually(async () => {
      const execution = await tenant.execution(result.invocationId);
      expect(execution).toMatchObject({ kind: 'step', status: 'succeeded', branchReason: 'matched', returnValue: 'No' });
      expect(execution.attempts?.map(({ number, httpStatus }) => [number, httpStatus])).toEqual([[1, 200]]);
    });
  });
});
