import { z } from 'zod';
import { categoryOf, eventCatalog, triggerCategory, trigger, triggerFilter, type TriggerCategory, uuid, writtenTime } from '@cf/contract';
import { pageQuery, queryFlag } from '@cf/service-kit';
import { answered } from '../http/answered.schema.js';
import { line, name } from '../http/text.schema.js';
import type { TriggerEntity } from './trigger.entity.js';
import { triggerOf } from './trigger.kind.js';

/** Every category twice over; a trigger is matched against each event of its organization, so it stays small. */
const TRIGGER_EVENTS_MAX = 20;
const FILTERS_MAX = 20;
/** Over all filters of a trigger: with 200 characters each its record stays below a megabyte. */
const VALUES_MAX = 1_000;

const filter = triggerFilter.extend({ values: z.array(line(200)).min(1).max(VALUES_MAX) }).strict();
const triggerEvent = z.strictObject({ category: triggerCategory, filters: z.array(filter).max(FILTERS_MAX).default([]) });
type GivenEvent = z.infer<typeof triggerEvent>;

const propertiesOf = (category: TriggerCategory) => eventCatalog.find((entry) => entry.category === category)?.filterProperties ?? [];

const checkFilters = ({ category, filters }: GivenEvent, eventIndex: number, context: z.RefinementCtx): void => {
  filters.forEach(({ property, values }, filterIndex) => {
    const path = [eventIndex, 'filters', filterIndex];
    if (!propertiesOf(category).includes(property)) {
      const detail = `${category} can be filtered by ${propertiesOf(category).join(', ')}`;
      context.addIssue({ code: 'custom', path: [...path, 'property'], message: detail, params: { code: 'unknown_filter_property' } });
    }
    if (property !== 'EventType') return;
    values.forEach((value, valueIndex) => {
      if (categoryOf(value) === category) return;
      const detail = `is no event type of ${category}`;
      context.addIssue({ code: 'custom', path: [...path, 'values', valueIndex], message: detail, params: { code: 'unknown_event_type' } });
    });
  });
};

const triggerEvents = z
  .array(triggerEvent)
  .min(1)
  .max(TRIGGER_EVENTS_MAX)
  .superRefine((events, context) => {
    events.forEach((event, index) => checkFilters(event, index, context));
    const values = events.flatMap(({ filters }) => filters).reduce((sum, each) => sum + each.values.length, 0);
    if (values > VALUES_MAX) {
      context.addIssue({
        code: 'custom',
        message: `all filters together may hold ${VALUES_MAX} values`,
        params: { code: 'too_many_values' },
      });
    }
  });

export const writeTrigger = z
  .strictObject({
    name,
    actionType: z.literal('CloudFunction').default('CloudFunction'),
    cloudFunctionId: uuid,
    enabled: z.boolean().default(true),
    triggerEvents,
    /** Invocations a minute for one chat; null is the platform's own limit (guarantees.md §4). */
    loopGuardLimit: z.int().min(1).max(10_000).nullable().default(null),
  })
  .meta({ id: 'WriteTrigger' });
export type WriteTrigger = z.infer<typeof writeTrigger>;

export const triggerExample: z.input<typeof writeTrigger> = {
  name: 'Tell the CRM',
  actionType: 'CloudFunction',
  cloudFunctionId: 'c1b2a3d4-0000-4000-8000-000000000001',
  triggerEvents: [{ category: 'ChatStatus', filters: [{ property: 'EventType', operator: 'matches', values: ['ChatOpened'] }] }],
};

export const listTriggers = z.object({
  ...pageQuery,
  name: line(200).optional(),
  enabled: queryFlag.optional(),
  cloudFunctionId: uuid.optional(),
});
export type ListTriggers = z.infer<typeof listTriggers>;

export const triggerAnswer = trigger.extend({ updatedAt: writtenTime, ...answered }).meta({ id: 'Trigger' });

export const answerTrigger = (row: TriggerEntity): z.input<typeof triggerAnswer> => ({
  ...triggerOf(row),
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});
