import { describe, expect, it } from '@jest/globals';
import { isAccessTokenText } from '@cf/contract';
import { hashOf, makeToken } from './make-token.js';

describe('an access token', () => {
  it('has the form that scanners look for, with its checksum', () => {
    expect(isAccessTokenText(makeToken())).toBe(true);
  });

  it('is stored as its SHA-256', () => {
    expect(hashOf('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  it('is another one each time', () => {
    expect(new Set(Array.from({ length: 100 }, makeToken)).size).toBe(100);
  });
});
