import { eventCatalog, eventExample, sameId, triggerCategory, type TriggerEvent, triggerFilter, uuid } from '@cf/contract';
import { z } from 'zod';

/** Events in one back-test, each held against every trigger. */
export const EVENTS_MAX = 20;
const TRIGGERS_NAMED_MAX = 100;
const DRAFTS_MAX = 20;
/** As many as a saved trigger may have. */
const TRIGGER_EVENTS_MAX = 20;
const FILTERS_MAX = 20;
const VALUES_MAX = 1_000;

const refuseUnknownProperties = ({ category, filters }: TriggerEvent, context: z.RefinementCtx): void => {
  const known = eventCatalog.find((entry) => entry.category === category)?.filterProperties ?? [];
  filters.forEach(({ property }, index) => {
    if (known.includes(property)) return;
    const message = `${category} can be filtered by ${known.join(', ')}`;
    context.addIssue({ code: 'custom', path: ['filters', index, 'property'], message, params: { code: 'unknown_filter_property' } });
  });
};

const filter = triggerFilter.extend({ values: z.array(z.string().max(200)).min(1).max(VALUES_MAX) }).strict();
const triggerEvent = z
  .strictObject({ category: triggerCategory, filters: z.array(filter).max(FILTERS_MAX).default([]) })
  .superRefine(refuseUnknownProperties);
const refuseTooManyValues = (events: readonly TriggerEvent[], context: z.RefinementCtx): void => {
  const values = events.flatMap(({ filters }) => filters).reduce((sum, each) => sum + each.values.length, 0);
  if (values <= VALUES_MAX) return;
  const message = `all filters together may hold ${VALUES_MAX} values`;
  context.addIssue({ code: 'custom', message, params: { code: 'too_many_values' } });
};
const draft = z.strictObject({
  name: z.string().max(200).default('draft'),
  triggerEvents: z.array(triggerEvent).min(1).max(TRIGGER_EVENTS_MAX).superRefine(refuseTooManyValues),
});
const ids = (itemsMax: number) => z.array(uuid.transform(sameId)).min(1).max(itemsMax).optional();

const oneSource = (given: object, context: z.RefinementCtx): void => {
  const sources = ['event', 'eventIds', 'last'].filter((name) => (given as Record<string, unknown>)[name] !== undefined);
  if (sources.length !== 1)
    context.addIssue({ code: 'custom', message: 'give exactly one of event, eventIds and last', params: { code: 'one_source' } });
};

const source = {
  /** An event as the chat platform sends it. */
  event: z.looseObject({}).optional(),
  /** Events that a trigger took before, by id … */
  eventIds: ids(EVENTS_MAX),
  /** … or the newest so many of them. */
  last: z.int().min(1).max(EVENTS_MAX).optional(),
};

/** Without `triggerIds` and `drafts`: every enabled trigger of the organization that names the event's category. */
export const backTest = z
  .strictObject({ ...source, triggerIds: ids(TRIGGERS_NAMED_MAX), drafts: z.array(draft).min(1).max(DRAFTS_MAX).optional() })
  .superRefine(oneSource);

/** Of one trigger; `draft` is another definition of it that is not saved. */
export const backTestOfTrigger = z.strictObject({ ...source, draft: draft.optional() }).superRefine(oneSource);

export type BackTest = z.infer<typeof backTest>;
export type EventSource = Pick<BackTest, 'event' | 'eventIds' | 'last'>;
export type Draft = z.infer<typeof draft>;

export const backTestExample: z.input<typeof backTest> = {
  event: eventExample('ChatOpened'),
  drafts: [
    { triggerEvents: [{ category: 'ChatStatus', filters: [{ property: 'EventType', operator: 'matches', values: ['ChatOpened'] }] }] },
  ],
};

const explainedFilter = triggerFilter.extend({ seen: z.string().nullable(), holds: z.boolean() });

export const backTestAnswer = z
  .object({
    data: z.array(
      z.object({
        event: z.object({ id: z.string(), type: z.string(), timestamp: z.string().nullable() }),
        isKept: z.boolean().meta({ description: 'False when the event was taken but is not there whole any more.' }),
        isCut: z.boolean().meta({ description: 'There are more triggers than are shown.' }),
        triggers: z.array(
          z.object({
            triggerId: uuid.nullable(),
            name: z.string(),
            enabled: z.boolean(),
            matches: z.boolean().meta({ description: 'The filters take the event.' }),
            invokes: z.boolean().meta({ description: 'An invocation follows: the trigger is enabled and Cloud Functions is on.' }),
            triggerEvents: z.array(
              z.object({
                category: triggerCategory,
                matches: z.boolean(),
                categoryMatches: z.boolean(),
                filters: z.array(explainedFilter),
              }),
            ),
          }),
        ),
      }),
    ),
  })
  .meta({ id: 'BackTestAnswer' });
