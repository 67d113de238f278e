import { MessagingError } from './errors.js';

export type UnreadableReason = 'not_utf8' | 'not_json' | 'invalid_message' | 'too_large';

/** A record that is not the message its topic promises. Also thrown by a handler that finds so itself. */
export class UnreadableMessage extends MessagingError {
  constructor(
    override readonly code: UnreadableReason,
    /** What is wrong, without the value itself. */
    readonly detail: string,
    /** The parsed value, undefined where there was none. */
    readonly json?: unknown,
  ) {
    super(code, detail, false);
  }
}
