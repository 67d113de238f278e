import { type CloudFunction, joinEndpointUrl, type RegisteredApi, sameId } from '@cf/contract';
import type { KeyRing } from '@cf/service-kit';
import type { AccessTokens } from '../oauth/access-tokens.js';
import type { TokenSource } from '../oauth/token-source.js';
import type { Target } from './customer-http.js';
import { prepareTls } from './endpoint-tls.js';

/** Put in place of a secret wherever a call is recorded. */
export const MASK = '***';

/** Headers that hold credentials whatever an admin marked as secret. */
const CREDENTIAL_HEADERS = new Set(['authorization', 'proxy-authorization', 'cookie']);

/**
 * Where and how a function is called, ready to send. Made once for each state of function and API: the same request is only
 * given its own headers. `loggedHeaders` are `headers` with secrets masked.
 */
export interface Endpoint extends Target {
  /** Where the token of each call comes from; null without OAuth. */
  readonly tokens: TokenSource | null;
  readonly loggedHeaders: Readonly<Record<string, string>>;
  /** Opened secret values, so that an endpoint that echoes one does not put it on record. */
  readonly secrets: readonly string[];
}

export interface EndpointRefusal {
  readonly reason: 'blocked_address' | 'invalid_request' | 'auth_token' | 'internal';
  readonly detail: string;
}

interface Credential {
  readonly header?: readonly [string, string];
  readonly query?: readonly [string, string];
  readonly tokens?: TokenSource;
  readonly secrets: readonly string[];
}

const credentialOf = (
  api: RegisteredApi,
  tls: Target['tls'],
  open: (sealed: string) => string,
  accessTokens: AccessTokens,
): Credential | EndpointRefusal => {
  const { authorization } = api;
  switch (authorization.type) {
    case 'None':
      return { secrets: [] };
    case 'ApiKey': {
      const value = open(authorization.sealedKeyValue);
      const pair = [authorization.keyName, value] as const;
      return authorization.addTo === 'Header'
        ? { header: pair, secrets: [value] }
        : { query: pair, secrets: [value, encodeURIComponent(value)] };
    }
    case 'Basic': {
      const password = open(authorization.sealedPassword);
      const encoded = Buffer.from(`${authorization.username}:${password}`, 'utf8').toString('base64');
      return { header: ['authorization', `Basic ${encoded}`], secrets: [encoded, password] };
    }
    case 'BearerToken': {
      const token = open(authorization.sealedToken);
      return { header: ['authorization', `Bearer ${token}`], secrets: [token] };
    }
    case 'OAuth': {
      const tokens = accessTokens.sourceOf(api, authorization, tls, open);
      return 'reason' in tokens ? tokens : { tokens, secrets: [] };
    }
  }
};

const withQuery = (path: string, query: readonly [string, string] | undefined): string => {
  if (query === undefined) return path;
  const [name, value] = query;
  const lead = !path.includes('?') ? '?' : /[?&]$/.test(path) ? '' : '&';
  return `${path}${lead}${encodeURIComponent(name)}=${encodeURIComponent(value)}`;
};

const logged = (headers: readonly (readonly [string, string, boolean])[]): Record<string, string> => {
  const record = new Map<string, string>();
  for (const [name, value, secret] of headers) {
    const key = name.toLowerCase();
    const shown = secret || CREDENTIAL_HEADERS.has(key) ? MASK : value;
    const before = record.get(key);
    record.set(key, before === undefined ? shown : `${before}, ${shown}`);
  }
  return Object.fromEntries(record);
};

export interface EndpointOptions {
  readonly keyRing: KeyRing;
  readonly allowHttp: boolean;
  readonly userAgent: string;
  readonly accessTokens: AccessTokens;
}

/** Opens what is sealed for this API and no other. It throws when the key is missing or the text belongs elsewhere. */
export const openerOf = ({ orgId, id }: RegisteredApi, keyRing: KeyRing): ((sealed: string) => string) => {
  const aad = `${sameId(orgId)}:${sameId(id)}`;
  return (sealed) => keyRing.open(sealed, aad);
};

/** The endpoint of a function, or why there is none. Never throws. */
export const prepareEndpoint = (cloudFunction: CloudFunction, api: RegisteredApi, options: EndpointOptions): Endpoint | EndpointRefusal => {
  const joined = joinEndpointUrl(api.baseUrl, cloudFunction.endpointUrl);
  if (!joined.ok) return { reason: 'invalid_request', detail: `the URL of the function: ${joined.detail}` };
  const url = new URL(joined.url);
  if (url.protocol !== 'https:' && !options.allowHttp) return { reason: 'blocked_address', detail: 'plain http is not allowed' };
  const open = openerOf(api, options.keyRing);
  try {
    const tls = prepareTls(api, open);
    const credential = credentialOf(api, tls, open, options.accessTokens);
    if ('reason' in credential) return credential;
    const own = api.headers.map((header) => [header.name, header.secret ? open(header.sealedValue) : header.value, header.secret] as const);
    const chosen = new Set(own.map(([name]) => name.toLowerCase()));
    const ours = [
      ['content-type', 'application/json; charset=utf-8', false],
      ['user-agent', options.userAgent, false],
      ['accept', 'application/json', false],
    ] as const;
    const headers = [
      ...ours.filter(([name]) => !chosen.has(name)),
      ...own,
      ...(credential.header === undefined ? [] : [[...credential.header, true] as const]),
    ];
    return {
      origin: url.origin,
      path: withQuery(`${url.pathname}${url.search}`, credential.query),
      headers: headers.flatMap(([name, value]) => [name, value]),
      tls,
      tokens: credential.tokens ?? null,
      loggedHeaders: logged(headers),
      secrets: [...credential.secrets, ...own.filter(([, , secret]) => secret).map(([, value]) => value)].filter((value) => value !== ''),
    };
  } catch {
    return { reason: 'internal', detail: 'a secret of the Registered API cannot be opened' };
  }
};
