import type { RegisteredApi } from '@cf/contract';
import type { Target } from '../http/customer-http.js';

type OAuth = Extract<RegisteredApi['authorization'], { type: 'OAuth' }>;

/** A token request, ready to send any number of times. */
export interface TokenRequest {
  readonly orgId: string;
  readonly target: Target;
  readonly body: string;
  /** In every form in which a token server could send them back. */
  readonly secrets: readonly string[];
}

export interface TokenRequestRefusal {
  readonly reason: 'blocked_address' | 'auth_token';
  readonly detail: string;
}

const formEncoded = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1);

/** The token URL, or why no token is asked for there. A query is allowed (RFC 6749 §3.2). */
const readTokenUrl = (text: string, allowHttp: boolean): URL | TokenRequestRefusal => {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    return { reason: 'auth_token', detail: 'the access token URL must be absolute, without user info' };
  }
  if (url.protocol !== 'https:' && !allowHttp) return { reason: 'blocked_address', detail: 'plain http is not allowed' };
  return url;
};

export interface TokenRequestParts {
  readonly orgId: string;
  readonly authorization: OAuth;
  readonly clientSecret: string;
  readonly tls: Target['tls'];
  readonly allowHttp: boolean;
  readonly userAgent: string;
}

/** The request of the client credentials grant (RFC 6749 §4.4.2); the client authenticates by header or in the body (§2.3.1). */
export const prepareTokenRequest = (parts: TokenRequestParts): TokenRequest | TokenRequestRefusal => {
  const { authorization, clientSecret, userAgent } = parts;
  const url = readTokenUrl(authorization.accessTokenUrl, parts.allowHttp);
  if ('reason' in url) return url;
  const form = new URLSearchParams({ grant_type: authorization.grantType });
  if (authorization.scope !== '') form.set('scope', authorization.scope);
  const basic = Buffer.from(`${formEncoded(authorization.clientId)}:${formEncoded(clientSecret)}`).toString('base64');
  const inHeader = authorization.sendAs === 'BasicAuthHeader';
  if (!inHeader) {
    form.set('client_id', authorization.clientId);
    form.set('client_secret', clientSecret);
  }
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    'user-agent': userAgent,
    accept: 'application/json',
    ...(inHeader && { authorization: `Basic ${basic}` }),
  };
  return {
    orgId: parts.orgId,
    target: { origin: url.origin, path: `${url.pathname}${url.search}`, headers: Object.entries(headers).flat(), tls: parts.tls },
    body: form.toString(),
    secrets: [clientSecret, formEncoded(clientSecret), basic].filter((secret) => secret !== ''),
  };
};
