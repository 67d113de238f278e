import { crc32 } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { hashOf, makeToken } from './make-token.js';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const readBase62 = (text: string): number => [...text].reduce((value, digit) => value * 62 + DIGITS.indexOf(digit), 0);

describe('an access token', () => {
  it('has a prefix, 40 random characters and the CRC-32 of both', () => {
    const token = makeToken();
    expect(token).toMatch(/^cf_[0-9A-Za-z]{40}_[0-9A-Za-z]{6}$/);
    const end = token.lastIndexOf('_');
    expect(readBase62(token.slice(end + 1))).toBe(crc32(token.slice(0, end)));
  });

  it('is stored as its SHA-256', () => {
    expect(hashOf('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  it('is another one each time', () => {
    expect(new Set(Array.from({ length: 100 }, makeToken)).size).toBe(100);
  });
});
