import { Injectable } from '@nestjs/common';
import { Metrics } from '@cf/service-kit';
import type { LoopVerdict } from './loop-guard.js';

export type EventEnd = 'matched' | 'unmatched' | 'repeated' | 'organization_unknown' | 'organization_off' | 'type_unknown';

@Injectable()
export class MatcherMetrics {
  private readonly events;
  private readonly invocations;

  constructor(metrics: Metrics) {
    this.events = metrics.counter('cf_matcher_events_total', 'Chat events by what became of them', ['end']);
    this.invocations = metrics.counter('cf_matcher_invocations_total', 'Invocations of triggers by the verdict of the loop guard', [
      'verdict',
    ]);
  }

  ended(end: EventEnd): void {
    this.events.inc({ end });
  }

  invocation(verdict: LoopVerdict): void {
    this.invocations.inc({ verdict });
  }
}
