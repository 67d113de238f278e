/** What is wrong with a certificate or a handshake, by the codes of OpenSSL and Node; in the words of whoever has to mend it. */
const FAILURES: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'certificate expired',
  CERT_NOT_YET_VALID: 'certificate not yet valid',
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate for another host',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed certificate',
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate of an unknown issuer',
  UNABLE_TO_GET_ISSUER_CERT: 'certificate of an unknown issuer',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate of an unknown issuer',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate of an unknown issuer',
  CERT_UNTRUSTED: 'certificate of an unknown issuer',
  CERT_REVOKED: 'certificate revoked',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'protocol too old',
  ERR_SSL_VERSION_TOO_LOW: 'protocol too old',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'protocol too old',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the endpoint does not speak TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'the endpoint does not speak TLS',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'the endpoint asks for a client certificate',
  ECONNRESET: 'the endpoint hung up during the handshake',
};

const OTHERS: readonly (readonly [RegExp, string])[] = [
  [/^ERR_SSL_.*ALERT_(BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED)/, 'client certificate refused'],
  [/^ERR_SSL_.*ALERT/, 'handshake refused by the endpoint'],
  [/^(CERT_|INVALID_|UNABLE_TO_|ERR_TLS_CERT)/, 'invalid certificate'],
];

/** `certificate expired (CERT_HAS_EXPIRED)`. */
export const describeTlsFailure = (code: string): string => {
  const words = FAILURES[code] ?? OTHERS.find(([pattern]) => pattern.test(code))?.[1] ?? 'handshake failed';
  return `${words} (${code})`;
};

/** Alerts of TLS 1.3 about our certificate come after the handshake, when a request is under way. */
export const isTlsCode = (code: string): boolean => code.startsWith('ERR_SSL_');
