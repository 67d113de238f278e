import type { RegisteredApi } from '@cf/contract';

export type Secretive = Pick<RegisteredApi, 'headers' | 'authorization' | 'tls'>;

/** The same with every sealed value changed: sealed for another resource, or with another key. */
export const mapSecrets = ({ headers, authorization, tls }: Secretive, change: (sealed: string) => string): Secretive => ({
  headers: headers.map((header) => (header.secret ? { ...header, sealedValue: change(header.sealedValue) } : header)),
  authorization: mapAuthorization(authorization, change),
  tls: { ...tls, sealedClientKey: tls.sealedClientKey === null ? null : change(tls.sealedClientKey) },
});

const mapAuthorization = (
  authorization: RegisteredApi['authorization'],
  change: (sealed: string) => string,
): RegisteredApi['authorization'] => {
  switch (authorization.type) {
    case 'None':
      return authorization;
    case 'ApiKey':
      return { ...authorization, sealedKeyValue: change(authorization.sealedKeyValue) };
    case 'Basic':
      return { ...authorization, sealedPassword: change(authorization.sealedPassword) };
    case 'BearerToken':
      return { ...authorization, sealedToken: change(authorization.sealedToken) };
    case 'OAuth':
      return { ...authorization, sealedClientSecret: change(authorization.sealedClientSecret) };
  }
};
