import { crc32 } from 'node:zlib';

/**
 * The text of an access token: `cf_`, 40 random characters, `_` and the CRC-32 of all before it in base 62. The prefix lets scanners
 * find a leaked one, the checksum lets anybody tell it from a look-alike or a typo without asking.
 */
export const ACCESS_TOKEN_PATTERN = /^cf_[0-9A-Za-z]{40}_[0-9A-Za-z]{6}$/;
export const ACCESS_TOKEN_PREFIX = 'cf_';
/** 62^40 is 238 bits: nobody guesses one, however many there are. */
export const ACCESS_TOKEN_RANDOM_CHARS = 40;

export const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 62^6 is more than 2^32. */
const CHECKSUM_CHARS = 6;

const checksumOf = (text: string): string => {
  let checksum = '';
  for (let rest = crc32(text); checksum.length < CHECKSUM_CHARS; rest = Math.floor(rest / 62)) checksum = `${BASE62[rest % 62]}${checksum}`;
  return checksum;
};

/** The token around 40 random characters of `BASE62`. */
export const accessTokenText = (random: string): string => {
  const text = `${ACCESS_TOKEN_PREFIX}${random}`;
  return `${text}_${checksumOf(text)}`;
};

/** Whether a text has the form of an access token and its checksum is right. Says nothing about whether there is such a token. */
export const isAccessTokenText = (text: string): boolean => {
  if (!ACCESS_TOKEN_PATTERN.test(text)) return false;
  const end = text.length - CHECKSUM_CHARS;
  return checksumOf(text.slice(0, end - 1)) === text.slice(end);
};
