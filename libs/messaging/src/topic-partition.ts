import type { TopicPartition } from './log.js';

/** A partition as the key of a map; topic names hold no slash. */
export const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;
