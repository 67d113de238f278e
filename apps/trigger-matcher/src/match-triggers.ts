import { categoryOf, filteredProperty, sameId, type ChatEvent, type Trigger, type TriggerEvent, type TriggerFilter } from '@cf/contract';

const holds = ({ property, operator, values }: TriggerFilter, event: ChatEvent): boolean => {
  const value = event[filteredProperty[property]] ?? null;
  const alike = property === 'EventType' ? (text: string) => text : sameId;
  const isOneOf = value !== null && values.some((wanted) => alike(wanted) === alike(value));
  return operator === 'matches' ? isOneOf : !isOneOf;
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
