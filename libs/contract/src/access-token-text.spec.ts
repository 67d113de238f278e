import { crc32 } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { accessTokenText, BASE62, isAccessTokenText } from './access-token-text.js';

const token = accessTokenText('0123456789abcdefghijABCDEFGHIJ0123456789');

describe('the text of an access token', () => {
  it('ends in the CRC-32 of what is before', () => {
    const end = token.lastIndexOf('_');
    const checksum = [...token.slice(end + 1)].reduce((value, digit) => value * 62 + BASE62.indexOf(digit), 0);
    expect(checksum).toBe(crc32(token.slice(0, end)));
    expect(isAccessTokenText(token)).toBe(true);
  });

  it('is told from every text with one other character, and from a part of it', () => {
    for (let place = 0; place < token.length; place++) {
      const other = token[place] === 'x' ? 'y' : 'x';
      expect(isAccessTokenText(token.slice(0, place) + other + token.slice(place + 1))).toBe(false);
      expect(isAccessTokenText(token.slice(0, place))).toBe(false);
    }
    expect(isAccessTokenText(`${token}x`)).toBe(false);
    expect(isAccessTokenText(`${token}\n`)).toBe(false);
  });
});
