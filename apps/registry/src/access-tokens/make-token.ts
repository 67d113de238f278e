import { createHash, randomInt } from 'node:crypto';
import { ACCESS_TOKEN_RANDOM_CHARS, accessTokenText, BASE62 } from '@cf/contract';

export const makeToken = (): string =>
  accessTokenText(Array.from({ length: ACCESS_TOKEN_RANDOM_CHARS }, () => BASE62[randomInt(BASE62.length)]).join(''));

/** What is stored and published in place of a token. */
export const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');
