import { describe, expect, it } from '@jest/globals';
import { doneChanges } from './publish-changes.js';

const change = (id: string, resource: string) => ({ id, resource_id: resource, topic: 'registry.changes', value: '{}' });

describe('doneChanges', () => {
  const changes = [change('1', 'a'), change('2', 'b'), change('3', 'a'), change('4', 'b'), change('5', 'a')];

  it('are all of them when all were acknowledged', () => {
    expect(doneChanges(changes, new Set())).toEqual(['1', '2', '3', '4', '5']);
  });

  it('end at a resource’s first failure, so that its newest record stays the last', () => {
    expect(doneChanges(changes, new Set(['3']))).toEqual(['1', '2', '4']);
    expect(doneChanges(changes, new Set(['1', '4']))).toEqual(['2']);
  });
});
