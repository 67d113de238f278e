import { describe, expect, it } from '@jest/globals';
import { organizationOf } from './organization-of-letter.js';

const [a, b] = ['0d1c7a52-8f1e-4a0e-9a63-0c6a1c6f5d11', '1d1c7a52-8f1e-4a0e-9a63-0c6a1c6f5d11'];
const of = (value: string | null, headers: Record<string, string> = {}) =>
  organizationOf({ headers, valueBase64: value === null ? null : Buffer.from(value).toString('base64') });

describe('the organization of a dead letter', () => {
  it.each([
    ['the one that its value names', of(`{"type":1,"orgId": "${a}"`), a],
    ['the same however it is written', of(`{"orgId":"${a.toUpperCase()}"}`, { 'org-id': a }), a],
    ['that of its headers', of(null, { 'org-id': a }), a],
    ['none when it names two', of(`{"orgId":"${a}","more":{"orgId":"${b}"}}`), null],
    ['none when its headers name another', of(`{"orgId":"${a}"}`, { 'org-id': b }), null],
    ['none when it names none', of('{"orgId":5'), null],
    ['not what somebody wrote in a text', of(JSON.stringify({ orgId: a, text: `"orgId":"${b}"` })), a],
  ])('is %s', (_, found, expected) => expect(found).toBe(expected));
});
