import { z } from 'zod';
import { writtenTime } from '@cf/contract';

/** What every answered resource has. `propagation` is there when a write is saved but not known everywhere yet (guarantees.md §6). */
export const answered = {
  createdAt: writtenTime,
  propagation: z.literal('pending').optional(),
};
