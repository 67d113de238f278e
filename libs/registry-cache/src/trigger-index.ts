/**
 * Triggers by the values that they wait for, so that an event costs the same with a thousand triggers as with a million: it looks up its
 * own type, topic, widget, phone number and category among the triggers of its organization, and touches no other trigger.
 *
 * A trigger waits under the values of one `matches` filter of each of its trigger events, since that filter must hold; under the category
 * where it has none. So what is found may be a few too many and is never one too few: `matchTriggers` decides.
 */
import {
  categoryOf,
  type ChatEvent,
  filteredProperty,
  sameId,
  type Trigger,
  type TriggerCategory,
  type TriggerChange,
  type TriggerEvent,
  type TriggerFilter,
} from '@cf/contract';
import { type PackedTrigger, TriggerPacker, unpackTrigger } from './packed-trigger.js';

/** No event has it: whoever waits for one of no values waits here. */
const NEVER = '';

const properties = Object.values(filteredProperty);

/** Many triggers of a category name the same event type, few the same topic. */
const mostTelling = (filters: readonly TriggerFilter[]): TriggerFilter | undefined => {
  const must = filters.filter(({ operator }) => operator === 'matches');
  return must.find(({ property }) => property !== 'EventType') ?? must[0];
};

const awaitedBy = ({ category, filters }: TriggerEvent): string[] => {
  const values = mostTelling(filters)?.values.map(sameId) ?? [sameId(category)];
  return values.length === 0 ? [NEVER] : values;
};

const awaited = ({ triggerEvents }: Trigger): Set<string> => new Set(triggerEvents.flatMap(awaitedBy));

export class TriggerIndex {
  private readonly packer = new TriggerPacker();
  private readonly byId = new Map<string, PackedTrigger>();
  /** Enabled triggers by organization and awaited value. */
  private readonly waiting = new Map<string, Map<string, PackedTrigger[]>>();

  /** Enabled triggers of the event's organization, all that take it and perhaps some that don't. */
  candidates(event: ChatEvent): Trigger[] {
    const waiting = this.waiting.get(sameId(event.orgId));
    const category = categoryOf(event.type);
    if (waiting === undefined || category === undefined) return [];
    const values = [category, ...properties.map((property) => event[property])];
    const found = new Set(values.flatMap((value) => (value ? (waiting.get(sameId(value)) ?? []) : [])));
    return [...found].map(unpackTrigger);
  }

  /** Enabled triggers that name this category. Looks at all of the organization. */
  of(orgId: string, category: TriggerCategory): Trigger[] {
    const found = new Set([...(this.waiting.get(sameId(orgId))?.values() ?? [])].flat());
    return [...found].map(unpackTrigger).filter(({ triggerEvents }) => triggerEvents.some((wanted) => wanted.category === category));
  }

  get(orgId: string, id: string): Trigger | undefined {
    const packed = this.byId.get(sameId(id));
    const trigger = packed === undefined ? undefined : unpackTrigger(packed);
    return trigger !== undefined && sameId(trigger.orgId) === sameId(orgId) ? trigger : undefined;
  }

  apply(change: TriggerChange): void {
    this.remove(change.id);
    if (change.deleted) return;
    const trigger = change.resource;
    const packed = this.packer.pack(trigger);
    this.byId.set(sameId(trigger.id), packed);
    if (!trigger.enabled) return;
    const waiting = this.waiting.get(sameId(trigger.orgId)) ?? new Map<string, PackedTrigger[]>();
    this.waiting.set(sameId(trigger.orgId), waiting);
    for (const value of awaited(trigger)) {
      const others = waiting.get(value);
      if (others === undefined) waiting.set(value, [packed]);
      else others.push(packed);
    }
  }

  remove(id: string): void {
    const packed = this.byId.get(sameId(id));
    if (packed === undefined) return;
    this.byId.delete(sameId(id));
    const trigger = unpackTrigger(packed);
    const waiting = this.waiting.get(sameId(trigger.orgId));
    for (const value of awaited(trigger)) {
      const left = waiting?.get(value)?.filter((other) => other !== packed) ?? [];
      if (left.length > 0) waiting?.set(value, left);
      else waiting?.delete(value);
    }
    if (waiting?.size === 0) this.waiting.delete(sameId(trigger.orgId));
  }
}
