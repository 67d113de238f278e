import { describe, expect, it } from '@jest/globals';
import { nextTraceparent, traceIdOf } from './traceparent.js';

describe('traceparent', () => {
  const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00';

  it('keeps the trace and its flags and gives each span an id of its own', () => {
    const spans = Array.from({ length: 2_000 }, () => nextTraceparent(parent));
    expect(new Set(spans).size).toBe(2_000);
    for (const span of spans) expect(span).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00$/);
  });

  it.each([
    undefined,
    '',
    'nonsense',
    '00-zz-b7ad6b7169203331-00',
    `${parent}-more`,
    `00-${'0'.repeat(32)}-b7ad6b7169203331-00`,
    `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-00`,
  ])('begins a trace where %j cannot be read', (unreadable) => {
    expect(nextTraceparent(unreadable)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(traceIdOf(unreadable)).toBeNull();
    expect(traceIdOf(nextTraceparent(unreadable))).toMatch(/^[0-9a-f]{32}$/);
  });
});
