import { type RegisteredApi } from '@cf/contract';
import { z } from 'zod';
import type { EndpointOptions } from '../http/endpoint.js';
import { openerOf } from '../http/endpoint.js';
import { type EndpointTls, prepareTls } from '../http/endpoint-tls.js';
import { probeOrigin } from '../http/probe-origin.js';
import type { VettingOptions } from '../http/vetted-lookup.js';
import { type ConnectionStep, connectionStep, connectionSteps, refusedStep, tokenStep } from './connection-steps.js';

/** For the connection and, beside it, for the token: somebody waits at a screen. */
const BUDGET_MS = 10_000;

export const connectionTestAnswer = z.object({ ok: z.boolean(), steps: z.array(connectionStep) }).meta({ id: 'ConnectionTest' });
export type ConnectionTest = z.infer<typeof connectionTestAnswer>;

/** Tries what calls of an API need, up to the request itself: nothing is sent to the customer's endpoints. */
export class ConnectionTests {
  constructor(
    private readonly options: EndpointOptions,
    private readonly dialing: VettingOptions,
  ) {}

  /** Never rejects. */
  async run(api: RegisteredApi): Promise<ConnectionTest> {
    const open = openerOf(api, this.options.keyRing);
    let tls: EndpointTls | null;
    try {
      tls = prepareTls(api, open);
    } catch {
      return { ok: false, steps: [refusedStep('tls', 'a secret of the Registered API cannot be opened')] };
    }
    const parts = await Promise.all([this.connect(api, tls), this.askForToken(api, tls, open)]);
    const steps = parts.flat();
    return { ok: steps.every((step) => step.ok), steps };
  }

  private async connect({ baseUrl }: RegisteredApi, tls: EndpointTls | null): Promise<ConnectionStep[]> {
    const url = URL.canParse(baseUrl) ? new URL(baseUrl) : null;
    if (url === null || !/^https?:$/.test(url.protocol)) return [refusedStep('address', 'the base URL is not a URL')];
    const isSecure = url.protocol === 'https:';
    if (!isSecure && !this.options.allowHttp) return [refusedStep('address', 'plain http is not allowed')];
    return connectionSteps(await probeOrigin(url.origin, tls, this.dialing, BUDGET_MS), isSecure);
  }

  private async askForToken(api: RegisteredApi, tls: EndpointTls | null, open: (sealed: string) => string): Promise<ConnectionStep[]> {
    if (api.authorization.type !== 'OAuth') return [];
    const startedAt = performance.now();
    try {
      const source = this.options.accessTokens.sourceOf(api, api.authorization, tls, open);
      if ('reason' in source) return [refusedStep('token', source.detail)];
      return [tokenStep(await source.askOnce(BUDGET_MS), performance.now() - startedAt)];
    } catch {
      return [refusedStep('token', 'a secret of the Registered API cannot be opened')];
    }
  }
}
