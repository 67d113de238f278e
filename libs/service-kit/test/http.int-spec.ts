import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, Module, Param, Post, Query, Req, type Type } from '@nestjs/common';
import { stepRequests } from '@cf/contract';
import { ConsumerGroup, EmbeddedLog, OnMessage } from '@cf/messaging';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { createLogger } from '../src/logger.js';
import { Health, pageQuery, parseQuery, readPlatform, runApplication, type RunningApplication, TakesQuery, ZodPipe } from '../src/index.js';

const thing = z.strictObject({ name: z.string().min(1), size: z.object({ 'a/b': z.number() }).optional() });

const later = (): [Promise<void>, () => void] => {
  let resolve = (): void => undefined;
  return [new Promise((resolved) => (resolve = resolved)), () => resolve()];
};
const [slowAsked, tellSlowAsked] = later();
const [hangingAsked, tellHangingAsked] = later();
const [slowAnswered, answerSlow] = later();

@Controller('things')
class ThingsController {
  @Post()
  create(@Body(new ZodPipe(thing)) body: z.infer<typeof thing>): object {
    return body;
  }
  @Get()
  list(@Query() query: unknown): object {
    return parseQuery(z.object(pageQuery), query);
  }
  @Post('raw')
  raw(@Req() request: FastifyRequest): object {
    return { bytes: request.rawBody?.toString('hex') };
  }
  @Get('broken')
  broken(): never {
    throw new Error('the secret is hunter2');
  }
  @Get('slow')
  async slow(): Promise<object> {
    tellSlowAsked();
    await slowAnswered;
    return {};
  }
  @Get('hanging')
  hanging(): Promise<never> {
    tellHangingAsked();
    return new Promise(() => undefined);
  }
  @Get('away')
  away(): never {
    throw Object.assign(new Error('connection lost'), { retryable: true });
  }
}

@Controller('v1/things')
class ApiThingsController {
  @Get()
  @TakesQuery()
  list(@Query() query: unknown): object {
    return parseQuery(z.object(pageQuery), query);
  }
  @Get(':id')
  one(@Param('id') id: string): object {
    return { id };
  }
  @Post()
  create(@Body(new ZodPipe(thing)) body: z.infer<typeof thing>): object {
    return body;
  }
}

@Module({ controllers: [ThingsController, ApiThingsController] })
class ThingsModule {}

@ConsumerGroup('things')
class ThingsGroup {
  readonly limits = { maxInFlight: 1, maxBufferedRecords: 1, maxBufferedBytes: 1_024, drainTimeoutMs: 1_000, onRevoke: 'drain' } as const;
}

@Controller()
class StepsConsumer {
  @OnMessage(stepRequests, 'things')
  async onStepRequest(): Promise<void> {}
}

@Module({ imports: [ThingsModule], providers: [ThingsGroup], controllers: [StepsConsumer] })
class ConsumingModule {}

describe('the HTTP side of every service', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'cf-http-'));
  let log: EmbeddedLog;
  let running: RunningApplication;

  beforeAll(async () => {
    log = EmbeddedLog.inMemory();
    await log.start();
    const platform = readPlatform({ port: 0, needs: 'nothing' }, { NODE_ENV: 'test', DATA_DIR: dataDir });
    running = await runApplication([ThingsModule], platform, log, createLogger('test', 'silent'));
  });
  afterAll(async () => {
    await running?.stop();
    await log?.close();
    rmSync(dataDir, { recursive: true });
  });

  const send = async (method: string, path: string, body?: string | Uint8Array, type = 'application/json') => {
    const answer = await fetch(`${running.address}${path}`, {
      method,
      ...(body === undefined ? {} : { body: body as string, headers: { 'content-type': type } }),
    });
    return { status: answer.status, type: answer.headers.get('content-type'), body: (await answer.json()) as Record<string, unknown> };
  };

  it('keeps the bytes of a body beside what was parsed', async () => {
    const text = '{ "name" : "é", "n": 12345678901234567890 }';
    expect((await send('POST', '/things/raw', text)).body).toEqual({ bytes: Buffer.from(text).toString('hex') });
  });

  it.each([
    ['POST', '/things', '{"name":', 'application/json', 400, 'invalid_json'],
    ['POST', '/things', Uint8Array.of(0x22, 0xff, 0x22), 'application/json', 400, 'invalid_utf8'],
    ['POST', '/things', '{"name":""}', 'application/json', 400, 'invalid_request'],
    ['POST', '/things', 'name=x', 'application/x-www-form-urlencoded', 415, 'unsupported_media_type'],
    ['POST', '/things', `{"name":"${'x'.repeat(5 * 1024 * 1024)}"}`, 'application/json', 413, 'body_too_large'],
    ['GET', '/things?limit=101', undefined, '', 400, 'invalid_query'],
    ['GET', '/things?colour=red', undefined, '', 400, 'invalid_query'],
    ['GET', '/nothing', undefined, '', 404, 'not_found'],
    ['DELETE', '/things', undefined, '', 404, 'not_found'],
    ['GET', '/things/broken', undefined, '', 500, 'internal'],
    ['GET', '/things/away', undefined, '', 503, 'unavailable'],
    ['GET', '/v1/things/%', undefined, '', 400, 'invalid_path'],
    ['GET', '/v1/things/%ff', undefined, '', 400, 'invalid_path'],
    ['GET', `/v1/things/${'a'.repeat(1_000)}`, undefined, '', 414, 'uri_too_long'],
    ['GET', '/v1/things/1?colour=red', undefined, '', 400, 'invalid_query'],
    ['POST', '/v1/things?colour=red', '{"name":"x"}', 'application/json', 400, 'invalid_query'],
  ])('%s %s is answered with problem+json', async (method, path, body, type, status, code) => {
    const answer = await send(method, path, body, type);
    expect(answer).toMatchObject({ status, type: 'application/problem+json; charset=utf-8' });
    expect(answer.body).toMatchObject({ status, code, errors: expect.any(Array), traceId: expect.stringMatching(/^[0-9a-f]{32}$/) });
    expect(JSON.stringify(answer.body)).not.toContain('hunter2');
  });

  it('answers what is no HTTP with problem+json too', async () => {
    const { port, hostname } = new URL(running.address);
    const ask = (request: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connect(Number(port), hostname, () => socket.write(request));
        let answer = '';
        socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
        socket.on('close', () => resolve(answer)).on('error', reject);
      });
    const refusals = [await ask('nonsense\r\n\r\n'), await ask(`GET / HTTP/1.1\r\nhost: x\r\nx-long: ${'a'.repeat(20_000)}\r\n\r\n`)];
    expect(refusals.map((answer) => answer.split('\r\n', 1)[0])).toEqual([
      'HTTP/1.1 400 Bad Request',
      'HTTP/1.1 431 Request Header Fields Too Large',
    ]);
    const problems = refusals.map((answer) => JSON.parse(answer.slice(answer.indexOf('{'))) as object);
    expect(problems).toMatchObject([
      { code: 'bad_request', errors: [] },
      { code: 'headers_too_large', errors: [] },
    ]);
    for (const answer of refusals) expect(answer).toContain('content-type: application/problem+json');
  });

  it('lets routes that take a query have it', async () => {
    expect((await send('GET', '/v1/things?limit=7')).body).toEqual({ limit: 7 });
    expect((await send('GET', '/v1/things/1')).body).toEqual({ id: '1' });
  });

  it('says where JSON breaks and quotes nothing of it', async () => {
    const { body } = await send('POST', '/things', '{"token":"hunter2" oops}');
    expect(body['detail']).toBe('The body is not valid JSON at position 19.');
    expect((await send('POST', '/things', 'hunter2')).body['detail']).toBe('The body is not valid JSON.');
  });

  it('names each wrong place of a body by its pointer', async () => {
    const { body } = await send('POST', '/things', '{"name":1,"size":{"a/b":"x"},"colour":"red"}');
    expect((body['errors'] as { pointer: string; code: string }[]).map(({ pointer }) => pointer).toSorted()).toEqual([
      '/colour',
      '/name',
      '/size/a~1b',
    ]);
  });

  it('is not ready while a part is not well, and says which', async () => {
    const health = running.app.get(Health);
    expect((await send('GET', '/health/ready')).status).toBe(200);
    health.register('weather', () => ({ ok: false, detail: 'it rains' }));
    const { status, body } = await send('GET', '/health/ready');
    expect(status).toBe(503);
    expect(body['parts']).toMatchObject({ weather: { ok: false, detail: 'it rains' }, log: { ok: true } });
    expect((await send('GET', '/health/live')).status).toBe(200);
    health.register('weather', () => ({ ok: true, detail: 'the sun is out' }));
  });
});

describe('the end of a process', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'cf-http-end-'));
  const log = EmbeddedLog.inMemory();
  beforeAll(() => log.start());
  afterAll(async () => {
    await log.close();
    rmSync(dataDir, { recursive: true });
  });
  const start = (env: Record<string, string> = {}, module: Type = ThingsModule): Promise<RunningApplication> =>
    runApplication(
      [module],
      readPlatform({ port: 0, needs: 'nothing' }, { NODE_ENV: 'test', DATA_DIR: dataDir, ...env }),
      log,
      createLogger('test', 'silent'),
    );

  it('lets an answer in flight out, as the last of its connection, and is not held up by connections that are kept open', async () => {
    const { address, stop } = await start();
    const agent = new Agent({ keepAlive: true });
    const ask = (path: string) =>
      new Promise<IncomingMessage>((resolve, reject) => {
        get(`${address}${path}`, { agent }, (answer) => resolve(answer.resume())).on('error', reject);
      });
    expect((await ask('/health/live')).headers.connection).toBe('keep-alive');
    const slow = ask('/things/slow');
    await slowAsked;
    const stopped = stop();
    answerSlow();
    expect((await slow).headers.connection).toBe('close');
    await stopped;
    agent.destroy();
  }, 4_000);

  it('that consumes tells a request that is still open after 5 s to come again', async () => {
    await log.ensureTopics([{ ...stepRequests, partitions: 1 }]);
    const { address, stop } = await start({}, ConsumingModule);
    const hanging = fetch(`${address}/things/hanging`);
    await hangingAsked;
    await stop();
    const answer = await hanging;
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(await answer.json()).toMatchObject({ code: 'shutting_down', status: 503 });
  });

  it('refuses a start on a port that is in use, or an address that is not here, and names the setting', async () => {
    const { address, stop } = await start();
    await expect(start({ PORT: new URL(address).port })).rejects.toThrow(/^PORT: \d+ is in use on 127\.0\.0\.1/);
    await expect(start({ HOST: '192.0.2.1' })).rejects.toThrow('HOST: 192.0.2.1');
    await stop();
  });
});
