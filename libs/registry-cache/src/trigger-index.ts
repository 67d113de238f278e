import { sameId, type Trigger, type TriggerCategory, type TriggerChange } from '@cf/contract';

/** Triggers by organization and category, so that the cost of an event does not grow with the triggers of others. */
export class TriggerIndex {
  private readonly byId = new Map<string, Trigger>();
  private readonly enabled = new Map<string, Map<string, Trigger>>();

  /** Enabled triggers that name this category. */
  of(orgId: string, category: TriggerCategory): readonly Trigger[] {
    const found = this.enabled.get(`${sameId(orgId)}/${category}`);
    return found === undefined ? [] : [...found.values()];
  }

  get(orgId: string, id: string): Trigger | undefined {
    const trigger = this.byId.get(sameId(id));
    return trigger !== undefined && sameId(trigger.orgId) === sameId(orgId) ? trigger : undefined;
  }

  apply(change: TriggerChange): void {
    this.remove(change.id);
    if (change.deleted) return;
    const trigger = change.resource;
    this.byId.set(sameId(trigger.id), trigger);
    if (!trigger.enabled) return;
    for (const place of this.placesOf(trigger)) {
      const triggers = this.enabled.get(place) ?? new Map<string, Trigger>();
      this.enabled.set(place, triggers.set(sameId(trigger.id), trigger));
    }
  }

  remove(id: string): void {
    const known = this.byId.get(sameId(id));
    if (known === undefined) return;
    this.byId.delete(sameId(id));
    for (const place of this.placesOf(known)) {
      const triggers = this.enabled.get(place);
      triggers?.delete(sameId(id));
      if (triggers?.size === 0) this.enabled.delete(place);
    }
  }

  private placesOf(trigger: Trigger): Set<string> {
    return new Set(trigger.triggerEvents.map(({ category }) => `${sameId(trigger.orgId)}/${category}`));
  }
}
