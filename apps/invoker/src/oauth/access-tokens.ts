import { type RegisteredApi, sameId } from '@cf/contract';
import type { Counter } from 'prom-client';
import type { CustomerHttp, Target } from '../http/customer-http.js';
import type { ReadToken } from './read-token.js';
import { prepareTokenRequest, type TokenRequestRefusal } from './token-request.js';
import { TokenSource } from './token-source.js';

export interface AccessTokensOptions {
  readonly http: CustomerHttp;
  readonly allowHttp: boolean;
  readonly userAgent: string;
  readonly asked: Counter<'outcome'>;
}

type OAuth = Extract<RegisteredApi['authorization'], { type: 'OAuth' }>;

/** The token sources of this process, shared by its lanes: one for each state of an API, gone with that state. */
export class AccessTokens {
  private readonly sources = new WeakMap<RegisteredApi, TokenSource | TokenRequestRefusal>();

  constructor(private readonly options: AccessTokensOptions) {}

  /** Throws what `open` throws. */
  sourceOf(
    api: RegisteredApi,
    authorization: OAuth,
    tls: Target['tls'],
    open: (sealed: string) => string,
  ): TokenSource | TokenRequestRefusal {
    const known = this.sources.get(api);
    if (known !== undefined) return known;
    const { allowHttp, userAgent, http } = this.options;
    const clientSecret = open(authorization.sealedClientSecret);
    const request = prepareTokenRequest({ orgId: sameId(api.orgId), authorization, clientSecret, tls, allowHttp, userAgent });
    const source = 'reason' in request ? request : new TokenSource(request, { http, onAsked: (answer) => this.count(answer) });
    this.sources.set(api, source);
    return source;
  }

  onApplicationShutdown(): Promise<void> {
    return this.options.http.close();
  }

  private count(answer: ReadToken): void {
    this.options.asked.inc({ outcome: answer.ok ? 'succeeded' : answer.reason });
  }
}
