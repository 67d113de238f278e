import { categoryOf, CHAT_EVENT_BYTES_MAX, chatEvent, sameId, type ChatEvent } from '@cf/contract';
import { Problem, problemErrors, type ProblemError } from '@cf/service-kit';

/** An event and the bytes that it came as; only these are passed on. */
export interface ReceivedEvent {
  readonly event: ChatEvent;
  readonly bytes: Buffer;
}

/** A person or a small job can wait for so many; a batch is acknowledged or refused as a whole. */
export const EVENTS_MAX = 1_000;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

type Read = { readonly event: ChatEvent } | { readonly status: 400 | 413; readonly errors: readonly ProblemError[] };

const refused = (code: string, detail: string, pointer = ''): Read => ({ status: 400, errors: [{ pointer, code, detail }] });

const parse = (bytes: Buffer): { json: unknown } | { code: string; detail: string } => {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return { json: JSON.parse(text) as unknown };
  } catch (error) {
    return error instanceof SyntaxError
      ? // The engine's message would quote the event.
        { code: 'invalid_json', detail: 'is not valid JSON' }
      : { code: 'invalid_utf8', detail: 'is not valid UTF-8' };
  }
};

const readEvent = (bytes: Buffer, orgId: string): Read => {
  if (bytes.length > CHAT_EVENT_BYTES_MAX) {
    return { status: 413, errors: [{ pointer: '', code: 'event_too_large', detail: `has more than ${CHAT_EVENT_BYTES_MAX} bytes` }] };
  }
  const parsed = parse(bytes);
  if ('code' in parsed) return refused(parsed.code, parsed.detail);
  const read = chatEvent.safeParse(parsed.json);
  if (!read.success) return { status: 400, errors: problemErrors(read.error) };
  if (sameId(read.data.orgId) !== sameId(orgId)) return refused('other_organization', 'must be the organization of the path', '/orgId');
  if (categoryOf(read.data.type) === undefined) return refused('unknown_event_type', 'is not in the event catalog', '/type');
  return { event: read.data };
};

const refuse = (status: 400 | 413, errors: readonly ProblemError[]): Problem =>
  status === 413
    ? new Problem(413, 'event_too_large', `An event may have ${CHAT_EVENT_BYTES_MAX} bytes.`, errors)
    : new Problem(400, 'invalid_event', 'Nothing was accepted: an event does not fit.', errors);

/** The event that is the whole body. Throws a `Problem` whose pointers lead into it. */
export const readChatEvent = (body: Buffer, orgId: string): ReceivedEvent => {
  const read = readEvent(body, orgId);
  if ('errors' in read) throw refuse(read.status, read.errors);
  return { event: read.event, bytes: body };
};

/** Lines with their numbers from 1, without their ends; empty ones are no events. */
const linesOf = (body: Buffer): { number: number; bytes: Buffer }[] => {
  const lines: { number: number; bytes: Buffer }[] = [];
  for (let start = 0, number = 1; start < body.length; number++) {
    const feed = body.indexOf(LINE_FEED, start);
    const next = feed === -1 ? body.length : feed;
    const end = next > start && body[next - 1] === CARRIAGE_RETURN ? next - 1 : next;
    if (end > start) lines.push({ number, bytes: body.subarray(start, end) });
    start = next + 1;
  }
  return lines;
};

const inLine = (number: number, { pointer, code, detail }: ProblemError): ProblemError => ({
  pointer: `/${number}`,
  code,
  detail: pointer === '' ? detail : `${pointer}: ${detail}`,
});

/** The events of an `application/x-ndjson` body. One bad line refuses all; pointers are line numbers from 1. */
export const readChatEventLines = (body: Buffer, orgId: string): ReceivedEvent[] => {
  const lines = linesOf(body);
  if (lines.length === 0) throw new Problem(400, 'invalid_event', 'The body holds no event.');
  if (lines.length > EVENTS_MAX)
    throw new Problem(413, 'too_many_events', `A batch may hold ${EVENTS_MAX} events, this one holds ${lines.length}.`);
  const events: ReceivedEvent[] = [];
  const errors: ProblemError[] = [];
  let status: 400 | 413 = 400;
  for (const { number, bytes } of lines) {
    const read = readEvent(bytes, orgId);
    if ('event' in read) events.push({ event: read.event, bytes });
    else {
      errors.push(...read.errors.map((error) => inLine(number, error)));
      if (read.status === 413) status = 413;
    }
  }
  if (errors.length > 0) throw refuse(status, errors.slice(0, ERRORS_MAX));
  return events;
};

/** Enough to find what is wrong with a batch; its writer seldom makes each line wrong in another way. */
const ERRORS_MAX = 100;
