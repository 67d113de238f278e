import { deadLetters, flows, messageHeader } from '@cf/contract';
import type { OutgoingRecord } from '@cf/messaging';
import { Problem } from '@cf/service-kit';
import type { WholeDeadLetter } from './dead-letter-view.js';

/** Records of these topics are work that somebody does; the others are state, whose last record must not be an old one. */
const resendable = new Set(
  flows
    .filter(({ topic, consumers }) => topic.cleanup === 'delete' && consumers.length > 0 && topic.name !== deadLetters.name)
    .map(({ topic }) => topic.name as string),
);

/** The record as it was but for a header that says so, for the partition it came from; refused when that is not known whole, or its topic holds no work. */
export const recordOf = (letter: WholeDeadLetter): OutgoingRecord => {
  if (letter.truncated)
    throw new Problem(409, 'dead_letter_truncated', 'Only the beginning of its value was kept, so it cannot be sent again.');
  if (!resendable.has(letter.topic)) {
    throw new Problem(409, 'dead_letter_not_resendable', `Records of ${letter.topic} are not sent again.`);
  }
  return {
    topic: letter.topic,
    partition: letter.partition,
    key: letter.key,
    value: letter.valueBase64 === null ? null : Buffer.from(letter.valueBase64, 'base64'),
    headers: { ...letter.headers, [messageHeader.resends]: letter.offset },
  };
};
