import { Problem } from '@cf/service-kit';
import { z } from 'zod';

/** Readers that cannot set headers say it in the query; what is said there counts. */
export const lastEventIdQuery = { lastEventId: z.string().max(100).optional() };

export const lastEventIdHeader = { 'last-event-id': 'Where a stream that broke off is taken up again.' };

/** The place after which a reader wants to go on; null for one that begins. `read` answers null to what is no id of its stream. */
export const placeAfter = <T>(given: string | undefined, header: string | undefined, read: (id: string) => T | null): T | null => {
  const id = given ?? header;
  if (id === undefined || id === '') return null;
  const place = read(id);
  if (place !== null) return place;
  throw new Problem(400, 'invalid_position', 'Last-Event-ID is the id of an event of this stream.', [
    { pointer: 'lastEventId', code: 'invalid_position', detail: 'is not the id of an event' },
  ]);
};
