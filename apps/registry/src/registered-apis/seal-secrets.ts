import type { RegisteredApi } from '@cf/contract';
import type { ProblemError } from '@cf/service-kit';
import { sameOrigin } from './url-rules.js';
import type { WriteRegisteredApi } from './registered-apis.schema.js';

type Stored = Pick<RegisteredApi, 'baseUrl' | 'headers' | 'authorization'>;
type Seal = (plain: string) => string;
type Sealed = Pick<RegisteredApi, 'headers' | 'authorization'>;

export type SealedSecrets =
  | { readonly ok: true; readonly sealed: Sealed }
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
export const sealSecrets = (request: WriteRegisteredApi, stored: Stored | null, seal: Seal): SealedSecrets => {
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
  return errors.length > 0 ? { ok: false, errors } : { ok: true, sealed: { headers, authorization } };
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
