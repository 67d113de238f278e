import { Body, Controller, HttpCode, Param, Post, UseGuards } from '@nestjs/common';
import { categoryOf, type ChatEvent, chatEvent, explainMatch, type ExplainedTriggerEvent, sameId, type Trigger, uuid } from '@cf/contract';
import { Idempotent } from '@cf/idempotency';
import { CurrentPrincipal, hasScope, type Principal, RegistryCache, RequireScope, TenantGuard } from '@cf/registry-cache';
import { notFound, Operation, Problem, problemErrors, ZodPipe } from '@cf/service-kit';
import type { z } from 'zod';
import {
  backTest,
  type BackTest,
  backTestAnswer,
  backTestExample,
  backTestOfTrigger,
  type Draft,
  type EventSource,
} from './back-test.schema.js';
import { type PastEvent, PastEvents } from './past-events.repository.js';

/** Triggers explained for one event. */
const TRIGGERS_MAX = 500;
/** Of all the definitions that an answer explains, since one may hold 200,000 characters and is explained for each event. */
const DEFINITIONS_CHARS_MAX = 4_000_000;

interface Candidate {
  readonly triggerId: string | null;
  readonly name: string;
  readonly enabled: boolean;
  readonly triggerEvents: Trigger['triggerEvents'];
}

interface TriggerAnswer extends Omit<Candidate, 'triggerEvents'> {
  /** The filters take the event; an invocation follows only when the trigger is enabled and Cloud Functions is on. */
  readonly matches: boolean;
  readonly invokes: boolean;
  readonly triggerEvents: readonly ExplainedTriggerEvent[];
}

const saved = ({ id, name, enabled, triggerEvents }: Trigger): Candidate => ({ triggerId: id, name, enabled, triggerEvents });
const drafted = (triggerId: string | null, { name, triggerEvents }: Draft): Candidate => ({
  triggerId,
  name,
  enabled: true,
  triggerEvents,
});

/** What one answer may still hold. */
interface Room {
  chars: number;
}

const fitting = (candidates: readonly Candidate[], room: Room): Candidate[] => {
  const fit: Candidate[] = [];
  for (const candidate of candidates.slice(0, TRIGGERS_MAX)) {
    if (room.chars > 0) room.chars -= JSON.stringify(candidate.triggerEvents).length;
    if (room.chars <= 0) break;
    fit.push(candidate);
  }
  return fit;
};

const invalidEvent = (detail: string, errors: Problem['errors'] = []): Problem => new Problem(400, 'invalid_event', detail, errors);

const pasted = (orgId: string, given: unknown): ChatEvent => {
  const read = chatEvent.safeParse(given);
  if (!read.success) {
    const errors = problemErrors(read.error).map((error) => ({ ...error, pointer: `/event${error.pointer}` }));
    throw invalidEvent('The event breaks its schema.', errors);
  }
  if (sameId(read.data.orgId) !== orgId) throw invalidEvent('The event belongs to another organization.');
  if (categoryOf(read.data.type) === undefined) throw invalidEvent('The event catalog does not know this type.');
  return read.data;
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const kept = ({ text }: PastEvent): ChatEvent | null => (text === null ? null : (chatEvent.safeParse(parse(text)).data ?? null));

/** Which triggers take an event, and which filter does not let it through. Decided by the code that the matcher itself runs. */
@Controller('v1/orgs/:orgId/triggers')
@UseGuards(TenantGuard)
@Idempotent()
@RequireScope('triggers:read')
export class BackTestsController {
  constructor(
    private readonly registry: RegistryCache,
    private readonly pastEvents: PastEvents,
  ) {}

  @Post('back-tests')
  @HttpCode(200)
  @Operation({
    summary: 'Try triggers and drafts on events',
    description: 'Explains each filter by what the matcher itself runs. Needs the scope `executions:read` too.',
    answer: backTestAnswer,
    example: backTestExample,
    problems: ['invalid_event'],
  })
  async test(@Param('orgId') path: string, @Body(new ZodPipe(backTest)) body: BackTest, @CurrentPrincipal() principal: Principal) {
    const orgId = await this.enter(path, principal);
    const named = body.triggerIds?.map((id) => this.trigger(orgId, id));
    const chosen = [...(named ?? []).map(saved), ...(body.drafts ?? []).map((one) => drafted(null, one))];
    const candidatesOf = (event: ChatEvent): Candidate[] => (chosen.length > 0 ? chosen : this.interested(orgId, event));
    return { data: await this.answer(orgId, body, null, candidatesOf) };
  }

  @Post(':triggerId/back-tests')
  @HttpCode(200)
  @Operation({
    summary: 'Try a trigger on events',
    description: 'Explains each filter by what the matcher itself runs. Needs the scope `executions:read` too.',
    answer: backTestAnswer,
    example: { event: backTestExample.event },
    problems: ['invalid_event'],
  })
  async testOne(
    @Param('orgId') path: string,
    @Param('triggerId') triggerId: string,
    @Body(new ZodPipe(backTestOfTrigger)) body: z.infer<typeof backTestOfTrigger>,
    @CurrentPrincipal() principal: Principal,
  ) {
    const orgId = await this.enter(path, principal);
    if (!uuid.safeParse(triggerId).success) throw notFound('There is no such trigger.');
    const trigger = this.trigger(orgId, triggerId);
    const candidates = [saved(trigger), ...(body.draft === undefined ? [] : [drafted(trigger.id, body.draft)])];
    return { data: await this.answer(orgId, body, sameId(trigger.id), () => candidates) };
  }

  /** Whoever sees what past events held may read executions too; a trigger that was saved just now is known. */
  private async enter(orgId: string, principal: Principal): Promise<string> {
    if (!hasScope(principal, 'executions:read')) throw new Problem(403, 'missing_scope', 'The token lacks the scope executions:read.');
    await this.registry.caughtUp();
    return sameId(orgId);
  }

  private trigger(orgId: string, id: string): Trigger {
    const trigger = this.registry.trigger(orgId, id);
    if (trigger === undefined) throw notFound(`There is no trigger ${id}.`);
    return trigger;
  }

  private interested(orgId: string, event: ChatEvent): Candidate[] {
    const category = categoryOf(event.type);
    return category === undefined ? [] : this.registry.triggersOf(orgId, category).map(saved);
  }

  private async answer(
    orgId: string,
    { event, eventIds, last }: EventSource,
    triggerId: string | null,
    candidatesOf: (event: ChatEvent) => Candidate[],
  ) {
    const room = { chars: DEFINITIONS_CHARS_MAX };
    if (event !== undefined) return [this.explain(orgId, pasted(orgId, event), candidatesOf, room)];
    const past =
      eventIds === undefined ? await this.pastEvents.newest(orgId, triggerId, last ?? 1) : await this.pastEvents.byIds(orgId, eventIds);
    return past.map((one) => {
      const read = kept(one);
      if (read !== null) return this.explain(orgId, read, candidatesOf, room);
      return { event: { id: one.id, type: one.type, timestamp: null }, isKept: false, isCut: false, triggers: [] };
    });
  }

  private explain(orgId: string, event: ChatEvent, candidatesOf: (event: ChatEvent) => Candidate[], room: Room) {
    const isOn = this.registry.organization(orgId)?.cloudFunctionsEnabled === true;
    const candidates = candidatesOf(event);
    const triggers = fitting(candidates, room).map(({ triggerEvents, ...candidate }): TriggerAnswer => {
      const explained = explainMatch({ triggerEvents }, event);
      const matches = explained.some((one) => one.matches);
      return { ...candidate, matches, invokes: matches && candidate.enabled && isOn, triggerEvents: explained };
    });
    const { id, type, timestamp } = event;
    return { event: { id, type, timestamp }, isKept: true, isCut: triggers.length < candidates.length, triggers };
  }
}
