import { sameId, uuid } from '@cf/contract';
import { notFound } from '@cf/service-kit';

export const noSuchLetter = 'There is no such dead letter.';

export const letterId = (text: string): string => {
  if (!uuid.safeParse(text).success) throw notFound(noSuchLetter);
  return sameId(text);
};
