import { Metrics } from '@cf/service-kit';
import type { Logger } from 'pino';
import type { AddressRefusal } from './http/dial-error.js';

/** Lines in the log a minute: whoever registers private addresses by the thousand does not fill it. The metric counts them all. */
const LOGGED_A_MINUTE_MAX = 60;
const MINUTE_MS = 60_000;

/** Tells operators which rule refused an address; tenants only read that it is not allowed. */
export class AddressRefusals {
  private readonly refused;
  private minute = 0;
  private logged = 0;

  constructor(
    metrics: Metrics,
    private readonly logger: Logger,
  ) {
    this.refused = metrics.counter(
      'cf_addresses_refused_total',
      'Dials of customers’ addresses that the address guard refused, by its rule',
      ['rule'],
    );
  }

  add({ host, address, rule }: AddressRefusal): void {
    this.refused.inc({ rule });
    const minute = Math.floor(Date.now() / MINUTE_MS);
    if (minute !== this.minute) this.logged = 0;
    this.minute = minute;
    if (++this.logged <= LOGGED_A_MINUTE_MAX) this.logger.warn({ host, address, rule }, 'an address was not dialled');
  }
}
