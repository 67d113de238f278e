import type { Endpoint } from './endpoint.js';
import { EndpointPools, type EndpointPoolsOptions } from './endpoint-pools.js';
import { type Exchange, ExchangeHandler } from './exchange.js';

export interface CustomerCall {
  readonly orgId: string;
  readonly endpoint: Endpoint;
  /** The headers of this request beside those of the endpoint, flat. */
  readonly headers: readonly string[];
  readonly body: string;
  readonly budgetMs: number;
}

/** The only way to a customer's endpoint (invariant 2). One for each lane. */
export class CustomerHttp {
  private readonly pools: EndpointPools;

  constructor(options: EndpointPoolsOptions) {
    this.pools = new EndpointPools(options);
  }

  get poolCount(): number {
    return this.pools.size;
  }

  /** POSTs once. Resolves with how it went, never rejects. */
  post({ orgId, endpoint, headers, body, budgetMs }: CustomerCall): Promise<Exchange> {
    const { pool, release } = this.pools.acquire(orgId, endpoint.origin);
    return new Promise((resolve) => {
      const handler = new ExchangeHandler(budgetMs, (exchange) => {
        release();
        resolve(exchange);
      });
      pool.dispatch({ method: 'POST', path: endpoint.path, headers: [...endpoint.headers, ...headers], body }, handler);
    });
  }

  close(): Promise<void> {
    return this.pools.close();
  }
}
