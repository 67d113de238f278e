/**
 * `npm run chaos -- --triggers 100000`: the whole path while executions, Postgres and the broker are killed.
 * `npm run chaos -- invokers --invocations 1000000`: several invokers while they are killed, paused and restarted.
 */
if (process.argv[2] === 'invokers') await import('./invokers.js');
else await import('./triggers.js');
