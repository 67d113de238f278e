/** What may be asked of executions, with a budget of so few rows that every search has to go on over many pages. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { auditEvents, stepInvocationResults, stepResults, triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import { attemptOf, failed, inMs, retrying, stepRequest, stepResultOf, succeeded, suppressed, triggerRequest } from './messages.js';
import { type Answer, RunningExecutions } from './running-executions.js';

const START_MS = Date.parse('2026-01-01T00:00:00.000Z');
const at = (second: number): string => new Date(START_MS + second * 1_000).toISOString();
const DAY = 'createdAt[gte]=2026-01-01T00:00:00Z&createdAt[lt]=2026-01-02T00:00:00Z';

describe('questions about executions', () => {
  let executions: RunningExecutions;
  let orgId: string;
  let path: string;
  let tokens: Record<'reader' | 'revealer', string>;
  const functions = [randomUUID(), randomUUID(), randomUUID()] as const;
  const triggers = [randomUUID(), randomUUID()] as const;
  const chatId = randomUUID().toUpperCase();
  const chatBotId = randomUUID().toUpperCase();

  const ask = (query: string, token?: string): Promise<Answer> => executions.get(`${path}?${query}`, token);

  /** Everything that a list shows over all of its pages. */
  // The shape of an answer is what the specs are about.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const all = async (query: string, token?: string, of = path): Promise<any[]> => {
    const seen: unknown[] = [];
    let cursor: string | null = null;
    do {
      const { status, body } = await executions.get(`${of}?${query}${cursor === null ? '' : `&cursor=${cursor}`}`, token);
      expect({ status, body }).toMatchObject({ status: 200 });
      seen.push(...body.data);
      cursor = body.nextCursor;
    } while (cursor !== null);
    return seen;
  };

  beforeAll(async () => {
    executions = await RunningExecutions.start({ EXECUTIONS_WALK_ROWS_MAX: '6' });
    orgId = await executions.addOrganization();
    path = `/v1/orgs/${orgId}/executions`;
    tokens = {
      reader: await executions.addToken(orgId, ['executions:read']),
      revealer: await executions.addToken(orgId, ['executions:read', 'executions:reveal']),
    };
    const of = (number: number) => ({
      orgId,
      cloudFunctionId: functions[number % 3]!,
      chatId: number % 4 === 0 ? chatId : randomUUID(),
      acceptedAt: at(number),
    });
    const completed = (number: number) => new Date(START_MS + number * 1_000 + number * 50).toISOString();
    for (let number = 0; number < 24; number++) {
      if (number % 2 === 0) {
        const request = stepRequest({
          ...of(number),
          step: { ...stepRequest().step!, chatBotId: number < 12 ? chatBotId : randomUUID(), stepId: `step-${number % 6}` },
        });
        const succeeds = number % 8 !== 0;
        await executions.publish(stepInvocationResults, succeeds ? succeeded(request) : failed(request));
        await executions.publish(
          stepResults,
          stepResultOf(
            request,
            succeeds
              ? { durationMs: number * 50 }
              : { outcome: 'failed', failureReason: 'timeout', httpStatus: null, durationMs: number * 50 },
          ),
        );
        continue;
      }
      const request = triggerRequest({
        ...of(number),
        triggerId: triggers[number % 3 === 0 ? 0 : 1],
        event: { id: randomUUID(), type: number % 5 === 0 ? 'ChatEnded' : 'ChatOpened' },
      });
      const results = [
        () => succeeded(request, { completedAt: completed(number) }),
        () =>
          failed(request, {
            completedAt: completed(number),
            attempts: [
              attemptOf(request, {
                httpStatus: 500,
                failureReason: 'http_status',
                startedAt: at(number),
                response: { headers: {}, body: `{"note":"Patient ${number} 100%_sure"}`, truncated: false },
              }),
            ],
          }),
        () => retrying(request, inMs(3_600_000)),
        () => suppressed(request),
      ];
      await executions.publish(triggerInvocationResults, results[((number - 1) / 2) % 4]!());
    }
    await eventually(async () =>
      expect(await executions.recorded([triggerInvocationResults, stepInvocationResults, stepResults])).toBe(true),
    );
  });
  afterAll(() => executions.stop());

  it('finds what ids of the platform lead to over many days, whatever the day, the budget and the case', async () => {
    const ofDays = await executions.addOrganization();
    const token = await executions.addToken(ofDays, ['executions:read']);
    const [chat, other, eventId] = [randomUUID(), randomUUID(), randomUUID()];
    const onDay = (day: number, hour: number) => new Date(START_MS + day * 86_400_000 + hour * 3_600_000).toISOString();
    const requests = Array.from({ length: 20 }, (_, number) =>
      triggerRequest({
        orgId: ofDays,
        chatId: number % 5 === 4 ? other : number % 2 === 0 ? chat : chat.toUpperCase(),
        acceptedAt: onDay(Math.floor(number / 3) * 4, (number % 3) * 11),
        event: { id: number % 7 === 0 ? eventId : randomUUID(), type: 'ChatOpened' },
      }),
    );
    const step = stepRequest({ orgId: ofDays, acceptedAt: onDay(3, 5) });
    const test = stepRequest({ orgId: ofDays, acceptedAt: onDay(5, 5), test: true, invocationId: randomUUID() });
    for (const request of requests) await executions.publish(triggerInvocationResults, succeeded(request));
    for (const request of [step, test]) await executions.publish(stepInvocationResults, succeeded(request));
    await eventually(async () => expect(await executions.recorded([triggerInvocationResults, stepInvocationResults])).toBe(true));
    const found = async (query: string): Promise<string[]> =>
      (await all(`${query}&limit=4`, token, `/v1/orgs/${ofDays}/executions`)).map(({ invocationId }) => invocationId);
    const newestFirst = (chosen: typeof requests) => chosen.toReversed().map(({ invocationId }) => invocationId);
    const ofChat = requests.filter(({ chatId: id }) => id !== other);
    expect(await found(`chatId=${chat}`)).toEqual(newestFirst(ofChat));
    expect(await found(`chatId=${other.toUpperCase()}&chatId=${chat}`)).toEqual(newestFirst(requests));
    expect(await found(`chatId=${chat}&createdAt[gte]=${onDay(4, 0)}&createdAt[lt]=${onDay(12, 11)}`)).toEqual(
      newestFirst(ofChat.filter(({ acceptedAt }) => acceptedAt >= onDay(4, 0) && acceptedAt < onDay(12, 11))),
    );
    expect(await found(`eventId=${eventId}`)).toEqual(newestFirst(requests.filter(({ event }) => event?.id === eventId)));
    expect(await found(`requestId=${step.step!.requestId.toUpperCase()}`)).toEqual([step.invocationId]);
    expect(await found(`requestId=${test.step!.requestId}`)).toEqual([test.invocationId]);
    expect(await found(`requestId=${step.step!.requestId}&requestId=${test.step!.requestId}`)).toEqual([
      test.invocationId,
      step.invocationId,
    ]);
    expect(await all(`chatId=${chat}`)).toEqual([]);
  });

  it('finds the same by every filter and combination as a look at every row does, in pages that neither repeat nor skip', async () => {
    const everything = await all('');
    expect(everything).toHaveLength(24);
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    type View = any;
    const filters: [string, (row: View) => boolean][] = [
      ['status=failed&status=dead_lettered', ({ status }) => status === 'failed' || status === 'dead_lettered'],
      ['status=succeeded', ({ status }) => status === 'succeeded'],
      ['kind=step', ({ kind }) => kind === 'step'],
      ['failureReason=timeout', ({ failureReason }) => failureReason === 'timeout'],
      ['test=false', ({ test }) => !test],
      [`cloudFunctionId=${functions[1].toUpperCase()}`, ({ cloudFunctionId }) => cloudFunctionId === functions[1]],
      [`cloudFunctionId=${functions[0]}&cloudFunctionId=${functions[2]}`, ({ cloudFunctionId }) => cloudFunctionId !== functions[1]],
      [`triggerId=${triggers[0]}&triggerId=${triggers[1]}`, ({ triggerId }) => triggerId !== null],
      [`chatId=${chatId.toLowerCase()}`, (row) => row.chatId === chatId],
      ['eventType=ChatEnded', ({ event }) => event?.type === 'ChatEnded'],
      [`chatBotId=${chatBotId.toLowerCase()}`, ({ step }) => step?.chatBotId === chatBotId],
      ['stepId=step-2&stepId=step-4', ({ step }) => ['step-2', 'step-4'].includes(step?.stepId)],
      ['httpStatus=500', ({ httpStatus }) => httpStatus === 500],
      ['httpStatus[gte]=400&httpStatus[lt]=600', ({ httpStatus }) => httpStatus >= 400 && httpStatus < 600],
      ['durationMs[gt]=300&durationMs[lte]=900', ({ durationMs }) => durationMs !== null && durationMs > 300 && durationMs <= 900],
      [
        'createdAt[gt]=2026-01-01T00:00:05Z&createdAt[lte]=2026-01-01T00:00:15Z',
        ({ createdAt }) => createdAt > at(5) && createdAt <= at(15),
      ],
    ];
    for (const [query, holds] of filters) {
      const found = await all(`limit=2&${query}`);
      expect({ query, found }).toEqual({ query, found: everything.filter(holds) });
      expect({ query, isEmpty: found.length === 0 }).toEqual({ query, isEmpty: false });
    }
    for (const [index, [query, holds]] of filters.entries()) {
      // A fifth of the pairs, each filter in several of them.
      for (const [other, alsoHolds] of filters.slice(index + 1).filter((_, distance) => distance % 5 === 0)) {
        const names = new Set(new URLSearchParams(query).keys());
        if ([...new URLSearchParams(other).keys()].some((name) => names.has(name))) continue;
        const found = await all(`limit=3&${query}&${other}`);
        expect({ query, other, found }).toEqual({ query, other, found: everything.filter((row) => holds(row) && alsoHolds(row)) });
      }
    }
  });

  it('finds and counts a row once, however often and in whatever case a filter names its value', async () => {
    for (const [name, id] of [
      ['cloudFunctionId', functions[0]],
      ['triggerId', triggers[0]],
    ] as const) {
      const twice = `${name}=${id}&${name}=${id.toUpperCase()}&${name}=${id}&${DAY}`;
      const once = (await all(`${name}=${id}&${DAY}`)).map(({ invocationId }) => invocationId);
      expect((await all(twice)).map(({ invocationId }) => invocationId)).toEqual(once);
      expect((await executions.get(`${path}/counts?${twice}`)).body.data).toEqual(
        (await executions.get(`${path}/counts?${name}=${id}&${DAY}`)).body.data,
      );
    }
  });

  it('goes on where it was while new rows arrive', async () => {
    const own = await executions.addOrganization();
    const list = `/v1/orgs/${own}/executions`;
    const requests = Array.from({ length: 6 }, (_, number) => triggerRequest({ orgId: own, acceptedAt: at(number) }));
    await executions.publish(triggerInvocationResults, ...requests.map((request) => succeeded(request)));
    const first = await eventually(async () => {
      const { body } = await executions.get(`${list}?limit=3`);
      expect(body.data).toHaveLength(3);
      expect(body.data[0].createdAt).toBe(at(5));
      return body;
    });
    const newer = triggerRequest({ orgId: own, acceptedAt: at(100) });
    await executions.publish(triggerInvocationResults, succeeded(newer));
    await eventually(async () => expect((await executions.get(`${list}?limit=1`)).body.data[0].invocationId).toBe(newer.invocationId));
    const second = await executions.get(`${list}?limit=3&cursor=${first.nextCursor}`);
    expect([...first.data, ...second.body.data].map(({ createdAt }: { createdAt: string }) => createdAt)).toEqual(
      [5, 4, 3, 2, 1, 0].map(at),
    );
  });

  it('passes no row by while another one succeeds between the looks of a page', async () => {
    const ofTimeouts = await executions.addOrganization();
    const requests = Array.from({ length: 12 }, (_, number) => triggerRequest({ orgId: ofTimeouts, acceptedAt: at(-number) }));
    const wanted = requests[6]!;
    await executions.publish(
      triggerInvocationResults,
      ...requests.map((request) => failed(request, request === wanted ? { failureReason: 'timeout', httpStatus: null } : {})),
    );
    await eventually(async () => expect(await executions.recorded()).toBe(true));
    const holder = await executions.sql.connect();
    try {
      // Each row that a tenant looks at waits for the holder, so the look has begun before and ends after.
      await holder.query(`SELECT pg_advisory_lock(1)`);
      await executions.sql.query(`
        CREATE FUNCTION executions.held() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN true; END $$;
        CREATE POLICY held ON executions.executions AS RESTRICTIVE FOR SELECT TO cf_tenant USING (executions.held())`);
      const found = all('failureReason=timeout', undefined, `/v1/orgs/${ofTimeouts}/executions`);
      await eventually(async () => {
        const { rows } = await executions.sql.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted`);
        expect(rows).toHaveLength(1);
      });
      await executions.sql.query(`UPDATE executions.executions SET status = 'succeeded' WHERE invocation_id = $1`, [
        requests[2]!.invocationId,
      ]);
      await holder.query('SELECT pg_advisory_unlock(1)');
      expect((await found).map(({ invocationId }) => invocationId)).toEqual([wanted.invocationId]);
    } finally {
      await holder.query('SELECT pg_advisory_unlock_all(); DROP POLICY IF EXISTS held ON executions.executions');
      holder.release();
    }
  });

  it('refuses a cursor of other filters, another list or another organization', async () => {
    const { body } = await ask('limit=2&kind=step');
    const other = await executions.addOrganization();
    await eventually(async () => expect((await executions.get(`/v1/orgs/${other}/executions`)).status).toBe(200));
    for (const query of [`limit=2&cursor=${body.nextCursor}`, `kind=trigger&cursor=${body.nextCursor}`])
      expect(await ask(query)).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } });
    expect((await executions.get(`/v1/orgs/${other}/executions?kind=step&cursor=${body.nextCursor}`)).status).toBe(400);
    expect((await ask(`limit=5&kind=step&cursor=${body.nextCursor}`)).status).toBe(200);
  });

  it('searches in responses within a time, for whoever may reveal them, and tells the audit log', async () => {
    const found = await all(`text=PATIENT&limit=1&${DAY}`, tokens.revealer);
    expect(found.map(({ createdAt }) => createdAt)).toEqual([19, 11, 3].map(at));
    expect(await all(`text=${encodeURIComponent('100%_sure')}&cloudFunctionId=${functions[0]}&${DAY}`, tokens.revealer)).toHaveLength(1);
    expect(await all(`text=${encodeURIComponent('100_')}&${DAY}`, tokens.revealer)).toEqual([]);
    const told: string[] = [];
    for await (const chunk of executions.log.readBack({
      topic: auditEvents.name,
      partition: 0,
      untilOffset: 1_000,
      sinceMs: 0,
      recordsMax: 1_000,
    }))
      told.push(...chunk.map(({ value }) => String(value)));
    const searches = told.filter((text) => text.includes('execution.searched'));
    expect(searches.length).toBeGreaterThan(3);
    expect(JSON.parse(searches[0]!)).toMatchObject({ orgId, outcome: 'done', details: { from: at(0) } });
    expect(searches.join()).not.toContain('PATIENT');
  });

  it('refuses a search in responses without the scope, operators included, and without a time of at most 7 days', async () => {
    for (const token of [tokens.reader, undefined])
      expect(await ask(`text=Patient&${DAY}`, token)).toMatchObject({ status: 403, body: { code: 'missing_scope' } });
    for (const range of [
      '',
      '&createdAt[gte]=2026-01-01T00:00:00Z',
      '&createdAt[gte]=2026-01-01T00:00:00Z&createdAt[lt]=2026-01-08T00:00:01Z',
    ])
      expect(await ask(`text=Patient${range}`, tokens.revealer)).toMatchObject({ status: 400, body: { code: 'text_needs_range' } });
    expect((await ask(`text=ab&${DAY}`, tokens.revealer)).status).toBe(400);
  });

  it('counts what a list shows, by status, failure reason and function', async () => {
    const byStatus = await executions.get(`${path}/counts?${DAY}`);
    const everything = await all(DAY);
    const tally = (values: string[]) =>
      Object.fromEntries([...new Set(values)].map((value) => [value, values.filter((other) => other === value).length]));
    const given = (answer: Answer) =>
      Object.fromEntries(answer.body.data.map(({ value, count }: { value: string; count: number }) => [value, count]));
    expect(given(byStatus)).toEqual(tally(everything.map(({ status }) => status)));
    const byReason = await executions.get(`${path}/counts?by=failureReason&${DAY}`);
    expect(given(byReason)).toEqual(tally(everything.map(({ failureReason }) => String(failureReason))));
    const byFunction = await executions.get(`${path}/counts?by=cloudFunctionId&kind=step&${DAY}`);
    expect(given(byFunction)).toEqual(
      tally(everything.filter(({ kind }) => kind === 'step').map(({ cloudFunctionId }) => cloudFunctionId)),
    );
    expect((await executions.get(`${path}/counts`)).body).toMatchObject({ by: 'status', data: [] });
    expect((await executions.get(`${path}/counts?chatId=${chatId}&${DAY}`)).body.code).toBe('query_too_broad');
  });

  it('says where it does not show all groups, or all attempts of an execution', async () => {
    const ofMany = await executions.addOrganization();
    const of = `/v1/orgs/${ofMany}/executions`;
    const byFunction = async () => (await executions.get(`${of}/counts?by=cloudFunctionId`)).body;
    const request = triggerRequest({ orgId: ofMany });
    const attempts = (count: number) =>
      Array.from({ length: count }, () => attemptOf(request, { request: { headers: {} }, response: null }));
    const ofFunctions = (count: number) =>
      Array.from({ length: count }, () => succeeded(triggerRequest({ orgId: ofMany, cloudFunctionId: randomUUID() })));
    await executions.publish(triggerInvocationResults, succeeded(request, { attempts: attempts(1_000) }), ...ofFunctions(99));
    await eventually(async () => expect((await byFunction()).data).toHaveLength(100));
    expect((await byFunction()).truncated).toBe(false);
    expect((await executions.get(`${of}/${request.invocationId}`)).body.attemptsTruncated).toBe(false);
    await executions.publish(triggerInvocationResults, succeeded(request, { attempts: attempts(1) }), ...ofFunctions(1));
    await eventually(async () => expect(await byFunction()).toMatchObject({ truncated: true }));
    await eventually(async () => expect((await executions.get(`${of}/${request.invocationId}`)).body.attemptsTruncated).toBe(true));
    expect((await byFunction()).data).toHaveLength(100);
    expect((await executions.get(`${of}/${request.invocationId}`)).body.attempts).toHaveLength(1_000);
  });

  it('counts over time, in intervals that are given or chosen', async () => {
    const { body } = await executions.get(`${path}/histogram?${DAY}&interval=1h`);
    expect(body).toMatchObject({ interval: '1h', from: at(0) });
    expect(body.data).toHaveLength(24);
    expect(body.data[0]).toMatchObject({ from: at(0), count: 24, byStatus: { retrying: 3, suppressed: 3 } });
    expect(body.data[1]).toEqual({ from: at(3_600), count: 0, byStatus: {} });
    expect((await executions.get(`${path}/histogram?${DAY}`)).body).toMatchObject({ interval: '15m' });
    expect((await executions.get(`${path}/histogram`)).body.data.length).toBeGreaterThanOrEqual(96);
    expect((await executions.get(`${path}/histogram?${DAY}&interval=1m`)).body.code).toBe('too_many_buckets');
    expect((await executions.get(`${path}/histogram?interval=1s`)).status).toBe(400);
    expect((await executions.get(`${path}/counts?text=Patient&${DAY}`)).status).toBe(400);
  });

  it('counts an execution that lies on the end of a time that includes it, in its own interval', async () => {
    const total = async (range: string) => {
      const { body } = await executions.get(`${path}/histogram?interval=1m&createdAt[gte]=${at(-60)}&${range}`);
      const counts = await executions.get(`${path}/counts?createdAt[gte]=${at(-60)}&${range}`);
      const sum = (data: { count: number }[]) => data.reduce((all, { count }) => all + count, 0);
      expect(sum(body.data)).toBe(sum(counts.body.data));
      return body.data.map(({ from, count }: { from: string; count: number }) => [from, count]);
    };
    expect(await total(`createdAt[lte]=${at(0)}`)).toEqual([
      [at(-60), 0],
      [at(0), 1],
    ]);
    expect(await total(`createdAt[lt]=${at(0)}`)).toEqual([[at(-60), 0]]);
  });

  it('says why an execution was suppressed or dead-lettered and what to do', async () => {
    const explained = async (status: string) => {
      const [row] = await all(`status=${status}`);
      return (await executions.get(`${path}/${row.invocationId}`)).body.explanation;
    };
    expect((await explained('suppressed')).why).toContain('loop guard');
    expect((await explained('dead_lettered')).next).toContain('retries');
    expect(await explained('succeeded')).toBeNull();
  });
});
