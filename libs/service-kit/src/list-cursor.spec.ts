import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { listCursor } from './list-cursor.js';

const position = z.object({ id: z.string() });
const cursorOf = (list: string, filters: object) => listCursor(list, filters, position);

describe('the cursor of a list', () => {
  const made = cursorOf('executions', { orgId: 'a', status: ['failed', 'queued'], kind: undefined }).encode({ id: '7' });

  it('leads back to its position, whatever the order in which filters are given', () => {
    expect(cursorOf('executions', { status: ['queued', 'failed'], orgId: 'a' }).decode(made)).toEqual({ id: '7' });
    expect(cursorOf('executions', { orgId: 'a' }).decode(undefined)).toBeNull();
  });

  it.each([
    ['another list', 'notifications', { orgId: 'a', status: ['failed', 'queued'] }],
    ['another organization', 'executions', { orgId: 'b', status: ['failed', 'queued'] }],
    ['another filter', 'executions', { orgId: 'a', status: ['failed'] }],
    ['no filter', 'executions', { orgId: 'a' }],
  ])('is refused by %s', (_, list, filters) => {
    expect(() => cursorOf(list, filters).decode(made)).toThrow(expect.objectContaining({ status: 400, code: 'invalid_cursor' }));
  });
});
