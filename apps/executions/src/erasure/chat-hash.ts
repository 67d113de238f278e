import { hash } from 'node:crypto';
import { sameId } from '@cf/contract';

/** Stands for a chat of one organization, or of none that is known; the chat cannot be read from it. */
export const chatHashOf = (orgId: string | null, chatId: string): string =>
  hash('sha256', `${orgId === null ? '' : sameId(orgId)}/${sameId(chatId)}`, 'base64url');
