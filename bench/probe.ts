/** Preloaded into a service that is looked at from inside: on SIGUSR2 it prints how many timers live, what keeps the process alive, and its heap after a collection. */
import { queryObjects } from 'node:v8';

const timer = setTimeout(() => undefined, 0);
const Timeout = timer.constructor as new () => NodeJS.Timeout;
clearTimeout(timer);

process.on('SIGUSR2', () => {
  // Counts all that is reachable, timers that don't keep the process alive too; it collects garbage first.
  const timers = queryObjects(Timeout, { format: 'count' });
  const kinds: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) kinds[kind] = (kinds[kind] ?? 0) + 1;
  const heapUsedMiB = Math.round(process.memoryUsage().heapUsed / 2 ** 20);
  process.stdout.write(`probe ${JSON.stringify({ timers, heapUsedMiB, kinds })}\n`);
});
