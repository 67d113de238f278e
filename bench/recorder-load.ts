import { randomUUID } from 'node:crypto';
import { type InvocationRequest, type InvocationResult, stepInvocationResults, stepResults, triggerInvocationResults } from '@cf/contract';

/** Organizations, functions and triggers that the invocations belong to. */
const ORGANIZATIONS = 20;
const FUNCTIONS = 100;
/** The first retry comes after a minute; none falls due while the bench runs, so that recording alone is measured. */
const RETRY_AFTER_MS = 60_000;

const ids = (count: number): string[] => Array.from({ length: count }, () => randomUUID());

/** Of 20 invocations 14 are triggers that succeed at once, 2 succeed at their second attempt, and 4 are steps with their step result. */
export class Load {
  private readonly organizations = ids(ORGANIZATIONS);
  private readonly functions = ids(FUNCTIONS);
  private readonly triggers = ids(FUNCTIONS);
  private readonly responseBody = JSON.stringify({ returnValue: 'Scheduled', note: 'x'.repeat(150) });
  private made = 0;

  /** The records that one invocation, accepted now, leaves on the topics of results. */
  next(): { topic: string; key: string; value: string }[] {
    const index = this.made++;
    const startMs = Date.now();
    const at = (plusMs: number): string => new Date(startMs + plusMs).toISOString();
    return index % 5 === 4 ? this.step(index, at) : this.trigger(index, at);
  }

  private request(index: number, example: InvocationRequest, acceptedAt: string): InvocationRequest {
    return {
      ...example,
      invocationId: randomUUID(),
      orgId: this.organizations[index % ORGANIZATIONS]!,
      cloudFunctionId: this.functions[index % FUNCTIONS]!,
      chatId: randomUUID(),
      acceptedAt,
    };
  }

  private trigger(index: number, at: (plusMs: number) => string) {
    const request: InvocationRequest = {
      ...this.request(index, triggerInvocationResults.example.request, at(0)),
      triggerId: this.triggers[index % FUNCTIONS]!,
      event: { id: randomUUID(), type: 'MessagePosted' },
      body: JSON.stringify({ type: 'MessagePosted', id: randomUUID(), text: 'x'.repeat(300) }),
    };
    const ok = (sent: InvocationRequest, plusMs: number) => this.result(triggerInvocationResults.example, sent, at, plusMs);
    if (index % 10 !== 3) return [this.record(triggerInvocationResults.name, request.invocationId, ok(request, 100))];
    const failed: InvocationResult = {
      ...ok(request, 100),
      disposition: 'retrying',
      outcome: null,
      dueAt: at(RETRY_AFTER_MS),
      httpStatus: 500,
    };
    return [failed, ok({ ...request, seq: 1, attempt: 2 }, RETRY_AFTER_MS + 100)].map((result) =>
      this.record(triggerInvocationResults.name, request.invocationId, result),
    );
  }

  private step(index: number, at: (plusMs: number) => string) {
    const example = stepInvocationResults.example.request;
    const requestId = randomUUID();
    const request: InvocationRequest = { ...this.request(index, example, at(0)), step: { ...example.step!, requestId } };
    const { invocationId, orgId, cloudFunctionId, chatId } = request;
    const answer = { ...stepResults.example, requestId, orgId, invocationId, cloudFunctionId, chatId, completedAt: at(130) };
    return [
      this.record(stepInvocationResults.name, invocationId, this.result(stepInvocationResults.example, request, at, 120)),
      this.record(stepResults.name, invocationId, answer),
    ];
  }

  private result(example: InvocationResult, request: InvocationRequest, at: (plusMs: number) => string, plusMs: number): InvocationResult {
    const attempt = {
      ...example.attempts[0]!,
      attemptId: randomUUID(),
      number: request.attempt,
      startedAt: at(plusMs - 90),
      response: { headers: { 'content-type': 'application/json' }, body: this.responseBody, truncated: false },
    };
    return { ...example, request, attempts: [attempt], completedAt: at(plusMs) };
  }

  private record(topic: string, key: string, message: object) {
    return { topic, key, value: JSON.stringify(message) };
  }
}
