/** Standard Webhooks 1.0: HMAC-SHA256, in base64, over `<webhook-id>.<webhook-timestamp>.<body>`; every live secret signs. */
import { createHmac } from 'node:crypto';
import type { SignedRequest } from './medchat-signature.js';

export const STANDARD_SIGNATURE_HEADER = 'webhook-signature';

const PREFIX = 'whsec_';

/** The key of a secret `whsec_<base64>` (the prefix may be left out); null when it is no base64. */
export const standardWebhooksKey = (secret: string): Buffer | null => {
  const encoded = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret;
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)$/.test(encoded)
    ? Buffer.from(encoded, 'base64')
    : null;
};

export const standardWebhooksSignature = (key: Buffer, { invocationId, body, atMs }: Omit<SignedRequest, 'path'>): string =>
  createHmac('sha256', key)
    .update(`${invocationId}.${Math.floor(atMs / 1_000)}.${body}`, 'utf8')
    .digest('base64');
