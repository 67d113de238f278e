import { describe, expect, it } from '@jest/globals';
import { type ChatEvent, eventTypes, matchTriggers, type Trigger, triggerCategory } from '@cf/contract';
import fc from 'fast-check';
import { TriggerPacker, unpackTrigger } from './packed-trigger.js';
import { TriggerIndex } from './trigger-index.js';

const ids = Array.from({ length: 4 }, (_, index) => `abcdef0${index}-0000-4000-8000-000000000000`);
const id = fc.constantFrom(...ids, ...ids.map((text) => text.toUpperCase()));
const filter = fc.record({
  property: fc.constantFrom('EventType' as const, 'Topic' as const, 'Widget' as const, 'PhoneNumber' as const),
  operator: fc.constantFrom('matches' as const, 'doesNotMatch' as const),
  values: fc.array(fc.oneof(id, fc.constantFrom(...eventTypes)), { maxLength: 3 }),
});
const triggerEvent = fc.record({
  category: fc.constantFrom(...triggerCategory.options),
  filters: fc.array(filter, { maxLength: 3 }),
});
const trigger: fc.Arbitrary<Trigger> = fc.record({
  id: fc.uuid(),
  orgId: id,
  name: fc.string(),
  actionType: fc.constant('CloudFunction' as const),
  cloudFunctionId: id,
  enabled: fc.boolean(),
  loopGuardLimit: fc.option(fc.nat()),
  triggerEvents: fc.array(triggerEvent, { maxLength: 3 }),
});
const event: fc.Arbitrary<ChatEvent> = fc.record({
  type: fc.constantFrom(...eventTypes, 'Unheard'),
  id: fc.uuid(),
  orgId: id,
  timestamp: fc.constant('2026-11-22T15:04:05.123Z'),
  widgetId: fc.option(id, { nil: undefined }),
  widgetTopicId: fc.option(id),
  phoneNumberId: fc.option(id),
});

const indexOf = (triggers: readonly Trigger[]): TriggerIndex => {
  const index = new TriggerIndex();
  for (const resource of triggers) index.apply({ type: 'trigger', id: resource.id, version: 1, deleted: false, resource });
  return index;
};
const named = (triggers: readonly Trigger[]): string[] => triggers.map((each) => each.id).toSorted();

describe('triggers by what they wait for', () => {
  it('are given back as they came', () => {
    const packer = new TriggerPacker();
    fc.assert(fc.property(trigger, (one) => expect(unpackTrigger(packer.pack(one))).toEqual(one)));
  });

  it('are found by every event that they take, among whatever others', () => {
    fc.assert(
      fc.property(fc.array(trigger, { maxLength: 40 }), event, (triggers, one) => {
        expect(named(matchTriggers(one, indexOf(triggers).candidates(one)))).toEqual(named(matchTriggers(one, triggers)));
      }),
    );
  });

  it('are found by category, enabled ones only', () => {
    fc.assert(
      fc.property(fc.array(trigger), id, fc.constantFrom(...triggerCategory.options), (triggers, orgId, category) => {
        const wanted = triggers.filter(
          (each) =>
            each.enabled &&
            each.orgId.toLowerCase() === orgId.toLowerCase() &&
            each.triggerEvents.some((named) => named.category === category),
        );
        expect(named(indexOf(triggers).of(orgId, category))).toEqual(named(wanted));
      }),
    );
  });

  it('go as they came: what is changed or removed leaves nothing behind', () => {
    fc.assert(
      fc.property(fc.array(trigger, { minLength: 1 }), fc.array(trigger, { minLength: 1 }), event, (before, after, one) => {
        const changed = after.slice(0, before.length).map((each, at) => ({ ...each, id: before[at]!.id.toUpperCase() }));
        const index = indexOf([...before, ...changed]);
        const left = [...changed, ...before.slice(changed.length)];
        expect(named(matchTriggers(one, index.candidates(one)))).toEqual(named(matchTriggers(one, left)));
        for (const { id: gone } of left) index.remove(gone);
        expect(index.candidates(one)).toEqual([]);
        expect(ids.flatMap((orgId) => triggerCategory.options.flatMap((category) => index.of(orgId, category)))).toEqual([]);
      }),
    );
  });

  it('that wait for another topic are not looked at', () => {
    const waiting = (topic: string): Trigger => ({
      ...fc.sample(trigger, 1)[0]!,
      orgId: ids[0]!,
      enabled: true,
      triggerEvents: [
        {
          category: 'MessagePosted',
          filters: [
            { property: 'EventType', operator: 'matches', values: ['MessagePosted'] },
            { property: 'Topic', operator: 'matches', values: [topic] },
          ],
        },
      ],
    });
    const [mine, other] = [waiting(ids[1]!), waiting(ids[2]!)];
    const posted = { ...fc.sample(event, 1)[0]!, orgId: ids[0]!, type: 'MessagePosted', widgetId: null, phoneNumberId: null };
    expect(named(indexOf([mine, other]).candidates({ ...posted, widgetTopicId: ids[1]! }))).toEqual([mine.id]);
  });
});
