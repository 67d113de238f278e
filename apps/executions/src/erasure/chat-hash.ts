import { hash } from 'node:crypto';
import { sameId } from '@cf/contract';

/** Stands for a chat of one organization; the chat cannot be read from it. */
export const chatHashOf = (orgId: string, chatId: string): string => hash('sha256', `${sameId(orgId)}/${sameId(chatId)}`, 'base64url');
