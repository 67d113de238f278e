import { describe, expect, it } from '@jest/globals';
import { eventCatalog } from '@cf/contract';
import { writeTrigger } from './triggers.schema.js';

const trigger = (triggerEvents: unknown) =>
  writeTrigger.safeParse({ name: 'T', cloudFunctionId: '0d1c7a52-8f1e-4a0e-9a63-0c6a1c6f5d11', triggerEvents });
const filter = (property: string, values: unknown[]) => ({ property, operator: 'matches', values });

describe('a trigger', () => {
  it.each(
    eventCatalog.flatMap(({ category, types, filterProperties }) => filterProperties.map((property) => ({ category, property, types }))),
  )('of $category may filter by $property', ({ category, property, types }) => {
    expect(trigger([{ category, filters: [filter(property, property === 'EventType' ? [...types] : ['x'])] }]).success).toBe(true);
  });

  it.each(
    eventCatalog.flatMap(({ category, filterProperties }) =>
      (['EventType', 'Topic', 'Widget', 'PhoneNumber'] as const)
        .filter((property) => !filterProperties.includes(property))
        .map((property) => ({ category, property })),
    ),
  )('of $category may not filter by $property', ({ category, property }) => {
    expect(trigger([{ category, filters: [filter(property, ['x'])] }]).success).toBe(false);
  });

  it('is bounded over all of its filters', () => {
    const values = Array.from({ length: 501 }, (_, index) => String(index));
    const event = { category: 'ChatStatus', filters: [filter('Topic', values)] };
    expect(trigger([event]).success).toBe(true);
    expect(trigger([event, event]).success).toBe(false);
  });
});
