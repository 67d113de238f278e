import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { deadLetters } from '@cf/contract';
import { chatHashOf } from './chat-hash.js';
import { chatHashesOf, namedIn } from './named-ids.js';

const [orgId, chatId] = [randomUUID(), randomUUID()];
const letter = { ...deadLetters.example, key: null, detail: '', headers: {}, valueBase64: null };
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('what a dead letter names', () => {
  it.each([
    ['its key', { key: chatId.toUpperCase() }],
    ['its detail', { detail: `no chat ${chatId}` }],
    ['its headers', { headers: { 'chat-id': chatId } }],
    ['its value', { valueBase64: base64(`{"chatId":"${chatId}`) }],
    ['a value that is not base64', { valueBase64: `@@@ ${chatId}` }],
    ['an id that begins within another', { valueBase64: base64(`aaaaaaaa-aaaa-aaaa-aaaa-aaaa${chatId}`) }],
    ['the end of a long value', { valueBase64: base64(`${Array.from({ length: 1_000 }, () => randomUUID()).join()}${chatId}`) }],
  ])('is found in %s', (_where, over) => {
    const named = namedIn({ ...letter, ...over });
    expect(named.ids).toContain(chatId);
    expect(chatHashesOf(named)).toContain(chatHashOf(null, chatId));
  });

  it('is of the organization that it names', () => {
    const named = namedIn({ ...letter, key: chatId, headers: { 'org-id': orgId.toUpperCase() } });
    expect(named.organizationIds).toEqual([orgId]);
    expect(chatHashesOf(named)).toContain(chatHashOf(orgId, chatId));
    expect(chatHashesOf(named)).not.toContain(chatHashOf(null, chatId));
  });
});
