import { createHash, randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 62^40 is 238 bits: nobody guesses one, however many there are. */
const RANDOM_CHARS = 40;
/** 62^6 is more than 2^32. */
const CHECKSUM_CHARS = 6;

const base62 = (value: number, chars: number): string => {
  let text = '';
  for (let rest = value; text.length < chars; rest = Math.floor(rest / 62)) text = `${BASE62[rest % 62]}${text}`;
  return text;
};

const checksumOf = (text: string): string => base62(crc32(text), CHECKSUM_CHARS);

/** `cf_<random>_<checksum>`: the prefix lets scanners find a leaked token, the checksum lets them tell it from a look-alike. */
export const makeToken = (): string => {
  const text = `cf_${Array.from({ length: RANDOM_CHARS }, () => BASE62[randomInt(62)]).join('')}`;
  return `${text}_${checksumOf(text)}`;
};

/** What is stored and published in place of a token. */
export const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');
