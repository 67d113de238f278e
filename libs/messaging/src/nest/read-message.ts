import { isUtf8 } from 'node:buffer';
import type { Topic } from '@cf/contract';
import type { LogRecord } from '../log.js';
import { UnreadableMessage } from '../unreadable-message.js';

/** A detail names at most so many places: it is for a person. */
const ISSUES_MAX = 5;

/** The one place where a message is checked: size, UTF-8, JSON, schema of its topic. Throws `UnreadableMessage`. */
export const readMessage = (topic: Topic, { value }: LogRecord): unknown => {
  if (value === null) throw new UnreadableMessage('invalid_message', `${topic.name} takes no record without a value`);
  if (value.byteLength > topic.messageBytesMax) {
    throw new UnreadableMessage('too_large', `${value.byteLength} bytes, ${topic.messageBytesMax} are allowed`);
  }
  if (!isUtf8(value)) throw new UnreadableMessage('not_utf8', 'the value is not UTF-8');
  const json = parsed(value.toString('utf8'));
  const checked = topic.schema.safeParse(json);
  if (checked.success) return checked.data;
  const issues = checked.error.issues.slice(0, ISSUES_MAX).map(({ path, message }) => `/${path.join('/')}: ${message}`);
  throw new UnreadableMessage('invalid_message', issues.join('; '), json);
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UnreadableMessage('not_json', (error as Error).message);
  }
};
