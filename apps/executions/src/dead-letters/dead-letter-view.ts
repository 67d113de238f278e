import { type DeadLetter, deadLetter, uuid, writtenTime } from '@cf/contract';
import { z } from 'zod';

export interface KeptDeadLetter {
  readonly id: string;
  readonly topic: string;
  readonly partition: number;
  /** A bigint as pg reads it. */
  readonly offset: string;
  readonly reason: DeadLetter['reason'];
  readonly detail: string;
  readonly receivedAt: Date;
  readonly key: string | null;
  readonly truncated: boolean;
  readonly resentAt: Date | null;
  readonly resentBy: string | null;
  readonly resentCount: number;
}

export interface WholeDeadLetter extends KeptDeadLetter {
  readonly valueBase64: string | null;
  readonly valueSha256: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

export const deadLetterAnswer = z
  .object({
    id: uuid,
    origin: deadLetter.shape.origin,
    reason: deadLetter.shape.reason,
    explanation: z.string(),
    detail: z.string(),
    receivedAt: writtenTime,
    key: z.string().nullable(),
    truncated: z.boolean(),
    resentAt: writtenTime.nullable(),
    resentBy: z.string().nullable(),
    resentCount: z.int(),
  })
  .meta({ id: 'DeadLetter' });

export const wholeDeadLetterAnswer = deadLetterAnswer
  .extend({
    headers: z.record(z.string(), z.string()),
    value: z
      .union([
        z.object({ encoding: z.literal('utf-8'), text: z.string() }),
        z.object({ encoding: z.literal('base64'), base64: z.string() }),
      ])
      .nullable(),
    valueSha256: z.string().nullable(),
    /** Its value and headers may be seen with the scope executions:reveal. */
    hidden: z.boolean(),
  })
  .meta({ id: 'WholeDeadLetter' });

const explanations: Readonly<Record<DeadLetter['reason'], string>> = {
  not_utf8: 'Its bytes are not UTF-8, so whoever wrote it did not write JSON. Sent again it fails again.',
  not_json: 'Its text is not JSON. Sent again it fails again; its sender has to put it right.',
  invalid_message:
    'It is JSON but not the message that its topic holds; the detail names the place. A later version may be able to read it.',
  too_large: 'It is larger than what its topic may hold.',
  handler_failed: 'It could be read, and handling it failed for good. Once the cause is put right, send it again.',
  internal: 'The process that handled it died three times over, so it was taken aside. Once the cause is found, send it again.',
};

/** Why a text is not JSON is told with what stands around the place. */
const withoutQuote = (detail: string): string => detail.replace(/, (\.\.\.)?"[^]*"(\.\.\.)? is not valid JSON$/, ' is not valid JSON');

export const deadLetterView = (letter: KeptDeadLetter): z.infer<typeof deadLetterAnswer> => ({
  id: letter.id,
  origin: { topic: letter.topic, partition: letter.partition, offset: Number(letter.offset) },
  reason: letter.reason,
  explanation: explanations[letter.reason],
  detail: withoutQuote(letter.detail),
  receivedAt: letter.receivedAt.toISOString(),
  key: letter.key,
  truncated: letter.truncated,
  resentAt: letter.resentAt?.toISOString() ?? null,
  resentBy: letter.resentBy,
  resentCount: letter.resentCount,
});

const textOf = (bytes: Buffer): string | null => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
};

const valueOf = ({ valueBase64 }: WholeDeadLetter) => {
  if (valueBase64 === null) return null;
  const text = textOf(Buffer.from(valueBase64, 'base64'));
  return text === null ? ({ encoding: 'base64', base64: valueBase64 } as const) : ({ encoding: 'utf-8', text } as const);
};

/** With its value, as text where it is UTF-8, else as base64, and its headers: they may hold health data, and are shown to whoever may reveal them. */
export const wholeDeadLetterView = (letter: WholeDeadLetter, revealed: boolean): z.infer<typeof wholeDeadLetterAnswer> => ({
  ...deadLetterView(letter),
  headers: revealed ? letter.headers : {},
  value: revealed ? valueOf(letter) : null,
  valueSha256: letter.valueSha256,
  hidden: !revealed,
});
