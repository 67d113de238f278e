import { EndpointPools, type EndpointPoolsOptions } from './endpoint-pools.js';
import type { EndpointTls } from './endpoint-tls.js';
import { type Exchange, ExchangeHandler } from './exchange.js';

/** Where a request goes. `headers` is a flat list of names and values. */
export interface Target {
  readonly origin: string;
  /** Path and query, the query's secrets included. */
  readonly path: string;
  readonly headers: readonly string[];
  readonly tls: EndpointTls | null;
}

export interface CustomerCall {
  readonly orgId: string;
  readonly target: Target;
  /** The headers of this request beside those of the target. */
  readonly headers: Readonly<Record<string, string>>;
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
  post({ orgId, target, headers, body, budgetMs }: CustomerCall): Promise<Exchange> {
    const all = [...target.headers];
    for (const name in headers) all.push(name, headers[name]!);
    const { pool, release } = this.pools.acquire(orgId, target);
    return new Promise((resolve) => {
      const handler = new ExchangeHandler(budgetMs, (exchange) => {
        release();
        resolve(exchange);
      });
      pool.dispatch({ method: 'POST', path: target.path, headers: all, body }, handler);
    });
  }

  close(): Promise<void> {
    return this.pools.close();
  }
}
