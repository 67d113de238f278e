import type { MessageLog } from '@cf/messaging';
import { Problem } from './problem.js';

export const logUnavailable = (detail: string): Problem => new Problem(503, 'log_unavailable', detail, [], { 'retry-after': '1' });

/**
 * Publishes while the log is there. A caller is told within `timeoutMs` that it is not; what was handed over may still be written
 * then, and the ids of events and requests make sending it again safe.
 */
export const publishOrUnavailable = async (log: MessageLog, timeoutMs: number, publish: () => Promise<unknown>): Promise<void> => {
  if (!log.status().ok) throw logUnavailable('The log is away; try again.');
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(logUnavailable(`The log did not acknowledge within ${timeoutMs} ms; try again.`)), timeoutMs);
  });
  try {
    await Promise.race([publish(), late]);
  } catch (error) {
    throw error instanceof Problem ? error : logUnavailable('The log did not take it; try again.');
  } finally {
    clearTimeout(timer);
  }
};
