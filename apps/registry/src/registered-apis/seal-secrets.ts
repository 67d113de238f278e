import { plainTls, type RegisteredApi, type RegisteredApiTls } from '@cf/contract';
import type { ProblemError } from '@cf/service-kit';
import type { Seal } from '../sealing/seal.js';
import type { Secretive } from './map-secrets.js';
import type { WriteRegisteredApi } from './registered-apis.schema.js';
import { refusePair } from './tls-rules.js';
import { sameOrigin } from './url-rules.js';

type Stored = Pick<RegisteredApi, 'baseUrl'> & Secretive;

export type SealedSecrets =
  | { readonly ok: true; readonly sealed: Secretive }
  | { readonly ok: false; readonly errors: readonly ProblemError[] };

const storedHeaderValue = (stored: Stored | null, name: string): string | null => {
  const header = stored?.headers.find((each) => each.name.toLowerCase() === name.toLowerCase());
  return header?.secret === true ? header.sealedValue : null;
};

const tokenUrlOf = (authorization: WriteRegisteredApi['authorization'] | RegisteredApi['authorization']): string | null =>
  authorization.type === 'OAuth' ? authorization.accessTokenUrl : null;

const goesElsewhere = (request: WriteRegisteredApi, stored: Stored): boolean => {
  const [before, after] = [tokenUrlOf(stored.authorization), tokenUrlOf(request.authorization)];
  return !sameOrigin(stored.baseUrl, request.baseUrl) || (before !== null && after !== null && !sameOrigin(before, after));
};

/**
 * Seals the secrets of a request, and keeps those it leaves out (product.md §3). None is kept when the origin of the base URL or
 * of the token URL changes: whoever may edit must not be able to send them elsewhere. Nor is one kept for another type of authorization.
 */
export const sealSecrets = (request: WriteRegisteredApi, stored: Stored | null, { seal, open }: Seal): SealedSecrets => {
  const errors: ProblemError[] = [];
  const originChanged = stored !== null && goesElsewhere(request, stored);

  const secretAt = (pointer: string, given: string | undefined, kept: string | null): string => {
    if (given !== undefined) return seal(given);
    if (kept !== null && !originChanged) return kept;
    errors.push(
      kept === null
        ? { pointer, code: stored === null ? 'required' : 'secret_required', detail: 'is required' }
        : { pointer, code: 'secret_required', detail: 'must be given again, since the origin of the base URL or of the token URL changes' },
    );
    return '';
  };

  const headers = request.headers.map(({ name, value, secret }, index): RegisteredApi['headers'][number] =>
    secret
      ? { name, secret, sealedValue: secretAt(`/headers/${index}/value`, value, storedHeaderValue(stored, name)) }
      : { name, secret, value: value ?? '' },
  );
  const authorization = sealAuthorization(request.authorization, stored?.authorization ?? null, secretAt);
  const tls = sealTls(request.tls, stored?.tls ?? plainTls, secretAt);
  const { clientCertificate, sealedClientKey } = tls;
  if (errors.length === 0 && clientCertificate !== null && sealedClientKey !== null) {
    const refusal = refusePair(clientCertificate, request.tls.clientKey ?? open(sealedClientKey));
    if (refusal !== null) errors.push({ pointer: '/tls/clientKey', ...refusal });
  }
  return errors.length > 0 ? { ok: false, errors } : { ok: true, sealed: { headers, authorization, tls } };
};

type SecretAt = (pointer: string, given: string | undefined, kept: string | null) => string;

const sealAuthorization = (
  given: WriteRegisteredApi['authorization'],
  stored: RegisteredApi['authorization'] | null,
  secretAt: SecretAt,
): RegisteredApi['authorization'] => {
  switch (given.type) {
    case 'None':
      return { type: 'None' };
    case 'ApiKey': {
      const kept = stored?.type === 'ApiKey' ? stored.sealedKeyValue : null;
      return {
        type: 'ApiKey',
        keyName: given.keyName,
        addTo: given.addTo,
        sealedKeyValue: secretAt('/authorization/keyValue', given.keyValue, kept),
      };
    }
    case 'Basic': {
      const kept = stored?.type === 'Basic' ? stored.sealedPassword : null;
      return { type: 'Basic', username: given.username, sealedPassword: secretAt('/authorization/password', given.password, kept) };
    }
    case 'BearerToken': {
      const kept = stored?.type === 'BearerToken' ? stored.sealedToken : null;
      return { type: 'BearerToken', sealedToken: secretAt('/authorization/token', given.token, kept) };
    }
    case 'OAuth': {
      const { clientSecret, ...plain } = given;
      const kept = stored?.type === 'OAuth' ? stored.sealedClientSecret : null;
      return { ...plain, sealedClientSecret: secretAt('/authorization/clientSecret', clientSecret, kept) };
    }
  }
};

/** A key belongs to its certificate: it is asked for with one, and dropped without. */
const sealTls = (
  { caBundle, clientCertificate, clientKey }: WriteRegisteredApi['tls'],
  stored: RegisteredApiTls,
  secretAt: SecretAt,
): RegisteredApiTls => {
  if (clientCertificate === null) return { caBundle, clientCertificate, sealedClientKey: null };
  const kept = clientKey === null ? null : stored.sealedClientKey;
  return { caBundle, clientCertificate, sealedClientKey: secretAt('/tls/clientKey', clientKey ?? undefined, kept) };
};
