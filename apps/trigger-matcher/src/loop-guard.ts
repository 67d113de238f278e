/**
 * A function that changes the chat and so fires its own trigger is stopped here (guarantees.md §4). All times are broker time of
 * the partition on which the chat lies, so the guard needs no clock.
 *
 * - open: an invocation passes while at most `limit` came for its (trigger, chat) within 60 s.
 * - suppressing: begins with the first one beyond the limit. What is suppressed counts too, so a loop that goes on stays stopped;
 *   it ends once 60 s have passed since the limit was last exceeded.
 *
 * An event that names its cause is exact: it is suppressed when its chain of causes goes back to the same trigger, whatever the count.
 *
 * What it trades: a member knows only what it matched itself, and forgets the least recent chats beyond a number. Both let a few
 * more calls pass, never fewer.
 */
import { LOOP_GUARD, sameId, type Trigger } from '@cf/contract';

export interface GuardedInvocation {
  readonly invocationId: string;
  readonly trigger: Pick<Trigger, 'id' | 'loopGuardLimit'>;
  readonly eventType: string;
  readonly chatId: string;
  /** The invocation whose function made this event, when the event says so. */
  readonly causedBy: string | null;
  /** Broker time of the event. */
  readonly atMs: number;
}

export type LoopVerdict = 'pass' | 'too_many' | 'own_cause';

/** Invocations remembered over all chats; 150 bytes each make 75 MB. */
const INVOCATIONS_MAX = 500_000;
/** Causes remembered: at 500 guarded invocations/s those of the last 100 s. */
const CAUSES_MAX = 50_000;
/** A longer chain is another trigger each time, and the count stops it. */
const CHAIN_LENGTH_MAX = 32;

interface ChatOfTrigger {
  /** By invocation id, oldest first, so that asking again counts once and gets the same answer. */
  readonly seen: Map<string, { readonly atMs: number; readonly verdict: LoopVerdict }>;
  exceededAtMs: number;
}

interface Cause {
  readonly triggerId: string;
  readonly causedBy: string | null;
}

const limitOf = ({ trigger, eventType }: GuardedInvocation): number =>
  trigger.loopGuardLimit ?? (eventType === 'MessagePosted' ? LOOP_GUARD.messagePosted : LOOP_GUARD.default);

export class LoopGuard {
  private readonly chats = new Map<string, ChatOfTrigger>();
  private readonly causes = new Map<string, Cause>();
  private invocations = 0;

  admit(invocation: GuardedInvocation): LoopVerdict {
    const chat = this.chatOf(invocation);
    const known = chat.seen.get(invocation.invocationId);
    if (known !== undefined) return known.verdict;
    this.forget(chat, (atMs) => invocation.atMs - atMs >= LOOP_GUARD.windowMs);
    const limit = limitOf(invocation);
    if (chat.seen.size >= limit) chat.exceededAtMs = invocation.atMs;
    const verdict = this.decide(invocation, chat);
    this.remember(invocation, chat, verdict);
    // One more than the limit is enough to know that it is exceeded.
    this.forget(chat, () => chat.seen.size > limit + 1);
    return verdict;
  }

  private decide(invocation: GuardedInvocation, chat: ChatOfTrigger): LoopVerdict {
    if (this.isOwnCause(invocation)) return 'own_cause';
    return invocation.atMs - chat.exceededAtMs < LOOP_GUARD.windowMs ? 'too_many' : 'pass';
  }

  private isOwnCause({ trigger, causedBy }: GuardedInvocation): boolean {
    let cause = causedBy === null ? undefined : this.causes.get(sameId(causedBy));
    for (let length = 0; cause !== undefined && length < CHAIN_LENGTH_MAX; length++) {
      if (cause.triggerId === sameId(trigger.id)) return true;
      cause = cause.causedBy === null ? undefined : this.causes.get(cause.causedBy);
    }
    return false;
  }

  private chatOf({ trigger, chatId }: GuardedInvocation): ChatOfTrigger {
    const key = `${sameId(trigger.id)}/${sameId(chatId)}`;
    const chat = this.chats.get(key) ?? { seen: new Map(), exceededAtMs: -Infinity };
    this.chats.delete(key);
    this.chats.set(key, chat);
    return chat;
  }

  private remember({ invocationId, trigger, causedBy, atMs }: GuardedInvocation, chat: ChatOfTrigger, verdict: LoopVerdict): void {
    chat.seen.set(invocationId, { atMs, verdict });
    this.invocations++;
    this.causes.set(sameId(invocationId), { triggerId: sameId(trigger.id), causedBy: causedBy === null ? null : sameId(causedBy) });
    for (const oldest of this.causes.keys()) {
      if (this.causes.size <= CAUSES_MAX) break;
      this.causes.delete(oldest);
    }
    for (const [key, leastRecent] of this.chats) {
      if (this.invocations <= INVOCATIONS_MAX) break;
      this.invocations -= leastRecent.seen.size;
      this.chats.delete(key);
    }
  }

  /** Lets go of the oldest invocations of a chat while the condition holds. */
  private forget({ seen }: ChatOfTrigger, isOver: (atMs: number) => boolean): void {
    for (const [id, { atMs }] of seen) {
      if (!isOver(atMs)) return;
      seen.delete(id);
      this.invocations--;
    }
  }
}
