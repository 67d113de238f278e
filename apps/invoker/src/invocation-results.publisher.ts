import { setTimeout as delay } from 'node:timers/promises';
import { type InvocationResult, type Lane, stepInvocationResults, triggerInvocationResults } from '@cf/contract';
import { type MessageLog, MessagePublisher, PublishError } from '@cf/messaging';

const RETRY_DELAY_MS = { first: 50, max: 2_000 } as const;
/** Of a publisher or a process that will not write again. */
const LAST_WORDS = new Set(['closed', 'fenced']);

export interface ResultPlace {
  /** The partition of the request. */
  readonly partition: number;
  readonly traceparent: string;
  /** The request as JSON, as it came; default: written anew. */
  readonly requestText?: string;
}

/** The result without what the endpoint answered: small enough for any topic. */
export const withoutAnswers = (result: InvocationResult): InvocationResult => ({
  ...result,
  attempts: result.attempts.map((attempt) => ({ ...attempt, response: attempt.response && { headers: {}, body: '', truncated: true } })),
});

/** The result around the text of its request, which is most of it. */
const textAround = (requestText: string, { request: _, ...rest }: InvocationResult): string =>
  `{"request":${requestText},${JSON.stringify(rest).slice(1)}`;

/**
 * Publishes the results of one lane: a step's on the partition number of its request, a trigger's by its invocation id.
 * Resolves when acknowledged. While the log is away it keeps trying here, since trying the whole request again would call again; also
 * when the request is another worker's by then, for the call was made and is owed its record.
 */
export class InvocationResultsPublisher {
  private readonly publisher: MessagePublisher;

  constructor(
    private readonly lane: Lane,
    log: MessageLog,
  ) {
    this.publisher = new MessagePublisher(log.createPublisher(`invoker.${lane}`, lane));
  }

  async publish(result: InvocationResult, place: ResultPlace): Promise<void> {
    let published = result;
    for (let delayMs: number = RETRY_DELAY_MS.first; ; delayMs = Math.min(RETRY_DELAY_MS.max, delayMs * 2)) {
      try {
        return await this.write(published, place);
      } catch (error) {
        if (!(error instanceof PublishError)) throw error;
        if (error.code === 'too_large' && published === result) {
          published = withoutAnswers(result);
          continue;
        }
        if (!error.retryable || LAST_WORDS.has(error.code)) throw error;
        await delay(delayMs);
      }
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.publisher.close();
  }

  private write(result: InvocationResult, { partition, traceparent, requestText }: ResultPlace): Promise<void> {
    const text = requestText === undefined ? JSON.stringify(result) : textAround(requestText, result);
    return this.lane === 'step'
      ? this.publisher.publish(stepInvocationResults, result, { partition, traceparent, text })
      : this.publisher.publish(triggerInvocationResults, result, { traceparent, text });
  }
}
