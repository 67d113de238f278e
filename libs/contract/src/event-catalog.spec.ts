import { describe, expect, it } from '@jest/globals';
import { chatEvent } from './chat-event.js';
import { categoryOf, eventCatalog, eventExample, eventJsonSchema, eventSchema, eventTypes } from './event-catalog.js';

describe('the event catalog', () => {
  it('names each type in one category', () => {
    expect(eventCatalog.flatMap(({ types }) => types).toSorted()).toEqual(eventTypes.toSorted());
    for (const { category, types } of eventCatalog) for (const type of types) expect(categoryOf(type)).toBe(category);
    expect(categoryOf('NeverHeardOf')).toBeUndefined();
    expect(categoryOf('constructor')).toBeUndefined();
  });

  it.each(eventTypes)('%s has an example that fits its schema, and a JSON Schema', (type) => {
    expect(chatEvent.parse(eventExample(type))).toEqual(eventExample(type));
    expect(eventSchema(type).safeParse(eventExample(type)).success).toBe(true);
    expect(eventJsonSchema(type)).toMatchObject({ type: 'object', properties: { type: { const: type } } });
  });
});
