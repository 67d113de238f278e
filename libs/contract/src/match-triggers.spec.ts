import { describe, expect, it } from '@jest/globals';
import { chatEvents, type ChatEvent } from './chat-event.js';
import { eventExample } from './event-catalog.js';
import { explainMatch, matchTriggers } from './match-triggers.js';
import { registryTriggers, type Trigger, type TriggerFilter } from './registry-change.js';

const event = chatEvents.example;
const trigger = registryTriggers.example.resource as Trigger;
const { widgetId, widgetTopicId } = event as { widgetId: string; widgetTopicId: string };
const other = '00000000-0000-4000-8000-000000000000';

const filtered = (...filters: TriggerFilter[]): Trigger => ({ ...trigger, triggerEvents: [{ category: 'ChatStatus', filters }] });
const filter = (property: TriggerFilter['property'], operator: TriggerFilter['operator'], ...values: string[]): TriggerFilter => ({
  property,
  operator,
  values,
});
const matches = (candidate: Trigger, of: ChatEvent = event): boolean => matchTriggers(of, [candidate]).length === 1;

describe('matching triggers', () => {
  it('takes all events of the category without a filter', () => {
    expect(matches(filtered())).toBe(true);
    expect(matches(filtered(), eventExample('ChatArchived') as ChatEvent)).toBe(true);
    expect(matches(filtered(), eventExample('MessagePosted') as ChatEvent)).toBe(false);
  });

  it('matches any of several values', () => {
    expect(matches(filtered(filter('Widget', 'matches', other, widgetId)))).toBe(true);
    expect(matches(filtered(filter('Widget', 'matches', other)))).toBe(false);
    expect(matches(filtered(filter('Widget', 'matches')))).toBe(false);
  });

  it('does not match means none of the values', () => {
    expect(matches(filtered(filter('Widget', 'doesNotMatch', other)))).toBe(true);
    expect(matches(filtered(filter('Widget', 'doesNotMatch', other, widgetId)))).toBe(false);
  });

  it('asks that all filters hold', () => {
    const topic = filter('Topic', 'matches', widgetTopicId);
    expect(matches(filtered(topic, filter('EventType', 'matches', 'ChatOpened')))).toBe(true);
    expect(matches(filtered(topic, filter('EventType', 'matches', 'ChatEnded')))).toBe(false);
  });

  it.each([undefined, null])('finds that a property that is %s equals nothing', (missing) => {
    const lacking = { ...event, widgetId: missing };
    expect(matches(filtered(filter('Widget', 'matches', widgetId)), lacking)).toBe(false);
    expect(matches(filtered(filter('Widget', 'doesNotMatch', widgetId)), lacking)).toBe(true);
  });

  it('compares ids without regard to case, and types exactly', () => {
    expect(matches(filtered(filter('Widget', 'matches', widgetId.toUpperCase())))).toBe(true);
    expect(matches(filtered(filter('Topic', 'doesNotMatch', widgetTopicId.toUpperCase())))).toBe(false);
    expect(matches(filtered(), { ...event, orgId: event.orgId.toUpperCase() })).toBe(true);
    expect(matches(filtered(filter('EventType', 'matches', 'chatopened')))).toBe(false);
  });

  it('compares the phone number of a subscription', () => {
    const subscribed = eventExample('SmsSubscribed') as ChatEvent;
    const wanted = (value: string): Trigger => ({
      ...trigger,
      triggerEvents: [{ category: 'Subscriptions', filters: [filter('PhoneNumber', 'matches', value)] }],
    });
    expect(matches(wanted(String(subscribed.phoneNumberId)), subscribed)).toBe(true);
    expect(matches(wanted(other), subscribed)).toBe(false);
  });

  it('takes an event that any of the trigger events takes, once', () => {
    const twice: Trigger = {
      ...trigger,
      triggerEvents: [
        { category: 'MessagePosted', filters: [] },
        { category: 'ChatStatus', filters: [] },
        { category: 'ChatStatus', filters: [] },
      ],
    };
    expect(matchTriggers(event, [twice])).toEqual([twice]);
  });

  it('never matches a disabled trigger, another organization or an unknown type', () => {
    expect(matches({ ...trigger, enabled: false })).toBe(false);
    expect(matches({ ...trigger, orgId: other })).toBe(false);
    expect(matches(filtered(), { ...event, type: 'ChatReopened' })).toBe(false);
  });

  it('says what each filter saw, and agrees with the decision', () => {
    const candidate = filtered(filter('Widget', 'matches', other), filter('EventType', 'matches', 'ChatOpened'));
    expect(explainMatch(candidate, event)).toEqual([
      {
        category: 'ChatStatus',
        matches: false,
        categoryMatches: true,
        filters: [
          { property: 'Widget', operator: 'matches', values: [other], seen: widgetId, holds: false },
          { property: 'EventType', operator: 'matches', values: ['ChatOpened'], seen: 'ChatOpened', holds: true },
        ],
      },
    ]);
    const lacking = explainMatch(filtered(filter('Topic', 'doesNotMatch', other)), { ...event, widgetTopicId: null });
    expect(lacking[0]).toMatchObject({ matches: true, filters: [{ seen: null, holds: true }] });
    expect(explainMatch(filtered(), eventExample('MessagePosted') as ChatEvent)[0]).toMatchObject({
      matches: false,
      categoryMatches: false,
    });
  });
});
