import type { ChatEvent } from './chat-event.js';
import { categoryOf, filteredProperty } from './event-catalog.js';
import { sameId } from './ids.js';
import type { Trigger, TriggerEvent, TriggerFilter } from './registry-change.js';

const seen = ({ property }: TriggerFilter, event: ChatEvent): string | null => event[filteredProperty[property]] ?? null;

const holds = (filter: TriggerFilter, event: ChatEvent): boolean => {
  const value = seen(filter, event);
  const alike = filter.property === 'EventType' ? (text: string) => text : sameId;
  const isOneOf = value !== null && filter.values.some((wanted) => alike(wanted) === alike(value));
  return filter.operator === 'matches' ? isOneOf : !isOneOf;
};

/** Several values of a filter mean any, several filters mean all (product.md §6); what the event lacks equals nothing. */
const takes = ({ category, filters }: TriggerEvent, event: ChatEvent): boolean =>
  category === categoryOf(event.type) && filters.every((filter) => holds(filter, event));

/** The enabled triggers of the event's organization that one of their trigger events takes it for. An unknown type matches nothing. */
export const matchTriggers = (event: ChatEvent, triggers: readonly Trigger[]): Trigger[] =>
  triggers.filter(
    (trigger) =>
      trigger.enabled && sameId(trigger.orgId) === sameId(event.orgId) && trigger.triggerEvents.some((wanted) => takes(wanted, event)),
  );

export interface ExplainedFilter extends TriggerFilter {
  /** What the event has there; null when it lacks it. */
  readonly seen: string | null;
  readonly holds: boolean;
}

export interface ExplainedTriggerEvent {
  readonly category: TriggerEvent['category'];
  readonly matches: boolean;
  readonly categoryMatches: boolean;
  readonly filters: readonly ExplainedFilter[];
}

/** Why a trigger takes an event or does not: each of its trigger events with what each filter saw, by the rules that `matchTriggers` goes by. */
export const explainMatch = ({ triggerEvents }: Pick<Trigger, 'triggerEvents'>, event: ChatEvent): ExplainedTriggerEvent[] =>
  triggerEvents.map((wanted) => ({
    category: wanted.category,
    matches: takes(wanted, event),
    categoryMatches: wanted.category === categoryOf(event.type),
    filters: wanted.filters.map((filter) => ({ ...filter, seen: seen(filter, event), holds: holds(filter, event) })),
  }));
