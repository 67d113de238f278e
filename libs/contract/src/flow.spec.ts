import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { flows } from './flow.js';

const document = readFileSync(join(import.meta.dirname, '../../../ARCHITECTURE.md'), 'utf8');
const cells = (row: string): string[] =>
  row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());

describe('the flow', () => {
  it('is the table of ARCHITECTURE.md', () => {
    const table =
      document
        .slice(document.search(/^\| topic +\| message +\|/m))
        .split('\n\n')[0]
        ?.split('\n')
        .slice(2) ?? [];
    expect(table.map(cells)).toEqual(
      flows.map(({ topic, producers, consumers, readers }) => [
        `\`${topic.name}\``,
        topic.message,
        topic.keyDescription,
        producers.join(', '),
        [...consumers, ...readers].join(', '),
      ]),
    );
  });

  it.each(flows.map(({ topic }) => [topic.name, topic] as const))(
    '%s has an example that its schema reads and leaves as it is',
    (_name, topic) => {
      expect(topic.schema.parse(topic.example)).toEqual(topic.example);
      expect(JSON.parse(JSON.stringify(topic.example))).toEqual(topic.example);
      expect(topic.key(topic.example)).toBe(topic.key(topic.example).toLowerCase());
    },
  );

  it('gives the topics of a step one number of partitions', () => {
    const steps = flows.filter(({ topic }) => topic.partitions === 'steps').map(({ topic }) => topic.name);
    expect(steps).toEqual(['chatbot.step-requests', 'chatbot.step-results', 'invocation.requests.step', 'invocation.results.step']);
  });

  it('keeps compacted topics on one partition, so that they have one order', () => {
    for (const { topic } of flows) if (topic.cleanup === 'compact') expect(topic.partitions).toBe('one');
  });
});
