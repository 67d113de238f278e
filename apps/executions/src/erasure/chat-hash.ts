import { createHash } from 'node:crypto';
import { sameId } from '@cf/contract';

/** Stands for a chat of one organization; the chat cannot be read from it. */
export const chatHashOf = (orgId: string, chatId: string): string =>
  createHash('sha256')
    .update(`${sameId(orgId)}/${sameId(chatId)}`)
    .digest('base64url');
