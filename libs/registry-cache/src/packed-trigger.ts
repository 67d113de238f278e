import type { Trigger, TriggerFilter } from '@cf/contract';

type Item = string | number | boolean | null;
/** A trigger as one flat array. As objects, a million of them are 14 million for the garbage collector to visit, and three times the memory. */
export type PackedTrigger = readonly Item[];

/** Ids of organizations and functions come again with each of their triggers; one copy of each is kept. Beyond this many it begins anew. */
const TEXTS_MAX = 100_000;

export class TriggerPacker {
  private readonly texts = new Map<string, string>();

  pack({ id, orgId, name, actionType, cloudFunctionId, enabled, loopGuardLimit, triggerEvents }: Trigger): PackedTrigger {
    const packed: Item[] = [id, this.one(orgId), name, this.one(actionType), this.one(cloudFunctionId), enabled, loopGuardLimit];
    packed.push(triggerEvents.length);
    for (const { category, filters } of triggerEvents) {
      packed.push(this.one(category), filters.length);
      for (const { property, operator, values } of filters) packed.push(this.one(property), this.one(operator), values.length, ...values);
    }
    // An array that grew keeps room for more; its copy does not.
    return packed.slice();
  }

  private one(text: string): string {
    const known = this.texts.get(text);
    if (known !== undefined) return known;
    if (this.texts.size >= TEXTS_MAX) this.texts.clear();
    this.texts.set(text, text);
    return text;
  }
}

/** The trigger that was packed. */
export const unpackTrigger = (packed: PackedTrigger): Trigger => {
  let at = 0;
  const next = <T extends Item>(): T => packed[at++] as T;
  const many = <T>(one: () => T): T[] => Array.from({ length: next<number>() }, one);
  const filter = (): TriggerFilter => ({ property: next(), operator: next(), values: many(next<string>) });
  return {
    id: next(),
    orgId: next(),
    name: next(),
    actionType: next(),
    cloudFunctionId: next(),
    enabled: next(),
    loopGuardLimit: next(),
    triggerEvents: many(() => ({ category: next(), filters: many(filter) })),
  };
};
