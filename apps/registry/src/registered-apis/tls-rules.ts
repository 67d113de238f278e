import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { Refusal } from './header-rules.js';

/** Some forty certificates: what a company trusts beside the public roots. With all that an API may hold, its record stays below a megabyte. */
export const CA_BUNDLE_CHARS_MAX = 65_536;
/** A certificate with its chain, or a 4,096 bit RSA key, several times over. */
export const CLIENT_PEM_CHARS_MAX = 16_384;

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+?-----END CERTIFICATE-----/g;
/** Bundles have comments between their certificates; Postgres takes no NUL and no half characters. */
const NO_TEXT = /[^\P{Cc}\t\r\n]|\p{Cs}/u;

const refusal = (code: string, detail: string): Refusal => ({ code, detail });

const certificatesIn = (text: string): string[] => text.match(CERTIFICATE) ?? [];

const isCertificate = (pem: string): boolean => {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
};

/** Certificates are answered as they were given, so a key must never be among them. */
export const refuseCertificates = (text: string): Refusal | null => {
  if (/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(text))
    return refusal('holds_private_key', 'holds a private key, which belongs into clientKey');
  const certificates = certificatesIn(text);
  const rest = text.replaceAll(CERTIFICATE, '');
  if (certificates.length === 0 || rest.includes('-----') || NO_TEXT.test(text) || !certificates.every(isCertificate))
    return refusal('invalid_certificate', 'must be one or more certificates in PEM form');
  return null;
};

const readKey = (pem: string): KeyObject | null => {
  try {
    return createPrivateKey(pem);
  } catch {
    return null;
  }
};

export const refusePrivateKey = (text: string): Refusal | null => {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: *4,ENCRYPTED/.test(text))
    return refusal('encrypted_key', 'must not be encrypted; it is encrypted here');
  return readKey(text) === null ? refusal('invalid_key', 'must be a private key in PEM form') : null;
};

/** Says why a client certificate, its own first and then its chain, cannot be shown with this key. Both have been read before. */
export const refusePair = (certificates: string, key: string): Refusal | null => {
  const [own = ''] = certificatesIn(certificates);
  const privateKey = readKey(key);
  if (privateKey === null || !new X509Certificate(own).checkPrivateKey(privateKey))
    return refusal('key_mismatch', 'is not the key of the first client certificate');
  try {
    createSecureContext({ cert: certificates, key });
    return null;
  } catch {
    return refusal('unusable_key', 'cannot be used for TLS: too weak, or not made for signing');
  }
};
