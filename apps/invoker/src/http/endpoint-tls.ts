import { createHash } from 'node:crypto';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import type { RegisteredApi } from '@cf/contract';

/** TLS settings of one Registered API, opened. */
export interface EndpointTls {
  readonly apiId: string;
  /** Differs when anything in the settings differs; says nothing about them. */
  readonly fingerprint: string;
  /** Authorities to trust besides the public ones, PEM. */
  readonly caBundle: string | null;
  readonly clientCertificate: string | null;
  readonly clientKey: string | null;
}

/** Null for an API without TLS settings of its own. Throws what `open` throws. */
export const prepareTls = ({ id, tls }: RegisteredApi, open: (sealed: string) => string): EndpointTls | null => {
  const { caBundle, clientCertificate, sealedClientKey } = tls;
  if (caBundle === null && clientCertificate === null) return null;
  const clientKey = sealedClientKey === null ? null : open(sealedClientKey);
  const settings = JSON.stringify([id, caBundle, clientCertificate, clientKey]);
  return { apiId: id, fingerprint: createHash('sha256').update(settings).digest('hex'), caBundle, clientCertificate, clientKey };
};

/** TLS 1.2 or later. Public roots are shared by all contexts; one with roots of its own costs 9 ms and 1.4 MB. Throws on a bad PEM. */
export const secureContextOf = (tls: EndpointTls | null): SecureContext => {
  const minVersion = 'TLSv1.2';
  if (tls === null) return createSecureContext({ minVersion });
  const { caBundle, clientCertificate, clientKey } = tls;
  return createSecureContext({
    minVersion,
    ...(caBundle !== null && { ca: [...getCACertificates('default'), caBundle] }),
    ...(clientCertificate !== null && { cert: clientCertificate }),
    ...(clientKey !== null && { key: clientKey }),
  });
};
