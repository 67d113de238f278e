/**
 * Results that must not be recorded, since the log keeps them for longer than the record does:
 *
 * - erased: its chat was erased after it was accepted. What is accepted later is a new conversation and is recorded.
 * - expired: it is older than its organization keeps executions, and its execution is gone. Recording it again would also make a retry
 *   due that was made long ago.
 */
import { sameId } from '@cf/contract';
import { chatHashOf } from '../erasure/chat-hash.js';
import type { HeardResult } from './heard-result.js';

const chatOf = (heard: HeardResult): { orgId: string; chatId: string } | null => {
  const [orgId, chatId] =
    heard.source === 'step' ? [heard.orgId, heard.result.chatId] : [heard.result.request.orgId, heard.result.request.chatId];
  return chatId === null ? null : { orgId, chatId };
};

export const orgOf = (heard: HeardResult): string => sameId(heard.source === 'step' ? heard.orgId : heard.result.request.orgId);

/** When the invocation was accepted, in ms; for a step result as far as that can be told. */
const acceptedMs = (heard: HeardResult): number =>
  heard.source === 'step' ? Date.parse(heard.result.completedAt) - heard.result.durationMs : Date.parse(heard.result.request.acceptedAt);

export const chatHash = (heard: HeardResult): string | null => {
  const chat = chatOf(heard);
  return chat === null ? null : chatHashOf(chat.orgId, chat.chatId);
};

export const isErased = (heard: HeardResult, hash: string | null, erasedAt: ReadonlyMap<string, Date>): boolean => {
  const erased = hash === null ? undefined : erasedAt.get(hash);
  return erased !== undefined && acceptedMs(heard) <= erased.getTime();
};

/** `cutoff` is the time before which the organization keeps nothing; null when the clock cannot be trusted. */
export const isExpired = (heard: HeardResult, known: boolean, cutoff: Date | null): boolean =>
  !known && cutoff !== null && acceptedMs(heard) < cutoff.getTime();
