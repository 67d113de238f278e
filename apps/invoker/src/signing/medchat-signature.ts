/**
 * The signature that webhooks of the chat platform carry (docs/verifying-signatures.md): HMAC-SHA256, in base64, over four lines
 * without a newline at the end:
 *
 *   POST
 *   <path and query as on the wire>
 *   <UNIX seconds of the Date header>
 *   <MD5 of the body, in base64>
 *
 * The key is the UTF-8 bytes of the secret's text. While a secret is rotated the one before it signs until it expires, since the
 * header has room for one signature: a receiver adds the new secret at any time before that, and fails at none.
 */
import { createHash, createHmac } from 'node:crypto';

export const MEDCHAT_SIGNATURE_HEADER = 'x-medchat-signature-sha256';

export interface SignedRequest {
  readonly invocationId: string;
  /** Path and query as on the wire. */
  readonly path: string;
  readonly body: string;
  readonly atMs: number;
}

export const medchatSignature = (secret: string, { path, body, atMs }: Omit<SignedRequest, 'invocationId'>): string => {
  const md5 = createHash('md5').update(body, 'utf8').digest('base64');
  const signed = `POST\n${path}\n${Math.floor(atMs / 1_000)}\n${md5}`;
  return createHmac('sha256', secret).update(signed, 'utf8').digest('base64');
};
