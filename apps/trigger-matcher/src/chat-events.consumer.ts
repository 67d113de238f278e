import { Controller } from '@nestjs/common';
import {
  categoryOf,
  CHAT_EVENT_BYTES_MAX,
  chatEvents,
  matchTriggers,
  messageHeader,
  uuid,
  type ChatEvent,
  type InvocationRequest,
  type Trigger,
} from '@cf/contract';
import { OnMessage, UnreadableMessage, type LogRecord, type MessageContext } from '@cf/messaging';
import { RegistryCache } from '@cf/registry-cache';
import { LoopGuard, type LoopVerdict } from './loop-guard.js';
import { MatcherMetrics } from './matcher-metrics.js';
import { planInvocation, suppress } from './plan-invocation.js';
import { TriggerInvocationsPublisher } from './trigger-invocations.publisher.js';
import { TRIGGER_MATCHER_GROUP, TriggerMatcherGroup } from './trigger-matcher.group.js';

@Controller()
export class ChatEventsConsumer {
  private readonly loopGuard = new LoopGuard();

  constructor(
    private readonly registry: RegistryCache,
    private readonly group: TriggerMatcherGroup,
    private readonly invocations: TriggerInvocationsPublisher,
    private readonly metrics: MatcherMetrics,
  ) {}

  @OnMessage(chatEvents, TRIGGER_MATCHER_GROUP)
  async onChatEvent(event: ChatEvent, context: MessageContext): Promise<void> {
    const { record, bytes, traceparent } = context;
    if (bytes > CHAT_EVENT_BYTES_MAX) throw new UnreadableMessage('too_large', `more than ${CHAT_EVENT_BYTES_MAX} bytes`);
    const isRepeat = this.group.recentEvents(record.partition).isRepeat(event, record.offset, record.timestampMs);
    // It was seen where it was buried, and nothing was made of it there.
    const isResent = messageHeader.resends in record.headers;
    if (isRepeat && !isResent) return this.metrics.ended('repeated');
    const configOffset = await this.registry.caughtUp();
    const triggers = this.triggersFor(event);
    if (triggers.length === 0) return;
    const arrived = { event, text: context.text, acceptedAtMs: record.timestampMs };
    const invocations = triggers.map((trigger) => {
      const request = planInvocation(trigger, arrived, configOffset);
      return { request, verdict: this.guard(trigger, request, record, event.type) };
    });
    await Promise.all(
      invocations.map(({ request, verdict }) => {
        this.metrics.invocation(verdict);
        if (verdict === 'pass') return this.invocations.request(request, traceparent);
        return this.invocations.suppressed(suppress(request, verdict, Date.now()), traceparent);
      }),
    );
  }

  private triggersFor(event: ChatEvent): readonly Trigger[] {
    const organization = this.registry.organization(event.orgId);
    const category = categoryOf(event.type);
    if (organization === undefined || !organization.cloudFunctionsEnabled || category === undefined) {
      this.metrics.ended(
        organization === undefined ? 'organization_unknown' : category === undefined ? 'type_unknown' : 'organization_off',
      );
      return [];
    }
    const triggers = matchTriggers(event, this.registry.candidates(event));
    this.metrics.ended(triggers.length === 0 ? 'unmatched' : 'matched');
    return triggers;
  }

  private guard(
    trigger: Trigger,
    { invocationId, chatId }: InvocationRequest,
    { headers, timestampMs }: LogRecord,
    eventType: string,
  ): LoopVerdict {
    if (chatId === null) return 'pass';
    const { data: causedBy = null } = uuid.safeParse(headers[messageHeader.causedBy]);
    return this.loopGuard.admit({ invocationId, trigger, eventType, chatId, causedBy, atMs: timestampMs });
  }
}
