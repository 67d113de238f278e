import type { Execution } from '../execution.js';

export type CancellationRefusal = 'in_progress' | 'already_ended';

export const cancellationRefusals: Readonly<Record<CancellationRefusal, string>> = {
  in_progress: 'It was sent and its answer is awaited; only what waits can be cancelled.',
  already_ended: 'The execution has ended.',
};

/** Where the execution stands in the due table: not there, free, or taken by a claimer that sends it now. */
export type Waiting = 'no' | 'yes' | 'taken';

/** Whether an execution may be cancelled now; null when so. */
export const refuseCancellation = ({ completedAt }: Pick<Execution, 'completedAt'>, waiting: Waiting): CancellationRefusal | null => {
  if (waiting === 'yes') return null;
  return completedAt === null ? 'in_progress' : 'already_ended';
};
