import { type CloudFunction, sameId } from '@cf/contract';
import type { KeyRing } from '@cf/service-kit';
import { MASK } from '../http/endpoint.js';
import { MEDCHAT_SIGNATURE_HEADER, medchatSignature, type SignedRequest } from './medchat-signature.js';
import { STANDARD_SIGNATURE_HEADER, standardWebhooksKey, standardWebhooksSignature } from './standard-webhooks-signature.js';

/** Enough of a signature to compare, too little to send the request again: a receiver need not limit its age. */
const SHOWN_CHARS = 8;
const masked = (signature: string): string => `${signature.slice(0, SHOWN_CHARS)}${MASK}`;

/** What signing adds to a request. */
export interface Signed {
  readonly headers: Readonly<Record<string, string>>;
  /** The same with signatures masked, for the record. */
  readonly loggedHeaders: Readonly<Record<string, string>>;
  /** What an endpoint that echoes its request must not put on record. */
  readonly signatures: readonly string[];
}

/** Signs the requests of one function; each attempt anew, since the time is signed too. */
export interface Signer {
  /** The names that it adds; whatever an admin set under them is left out. */
  readonly headerNames: readonly string[];
  sign(request: SignedRequest): Signed;
}

export interface SigningRefusal {
  readonly reason: 'invalid_request' | 'internal';
  readonly detail: string;
}

/** The key of today, and while it is rotated the one before. */
interface Keys<Key> {
  readonly current: Key;
  readonly previous: { readonly key: Key; readonly untilMs: number } | null;
}

const medchatSigner = ({ current, previous }: Keys<string>): Signer => ({
  headerNames: ['date', MEDCHAT_SIGNATURE_HEADER],
  sign: (request) => {
    const key = previous !== null && request.atMs < previous.untilMs ? previous.key : current;
    const signature = medchatSignature(key, request);
    const date = new Date(request.atMs).toUTCString();
    return {
      headers: { date, [MEDCHAT_SIGNATURE_HEADER]: signature },
      loggedHeaders: { date, [MEDCHAT_SIGNATURE_HEADER]: masked(signature) },
      signatures: [signature],
    };
  },
});

const standardWebhooksSigner = ({ current, previous }: Keys<Buffer>): Signer => ({
  headerNames: ['webhook-id', 'webhook-timestamp', STANDARD_SIGNATURE_HEADER],
  sign: (request) => {
    const keys = previous !== null && request.atMs < previous.untilMs ? [current, previous.key] : [current];
    const signatures = keys.map((key) => standardWebhooksSignature(key, request));
    const headers = { 'webhook-id': request.invocationId, 'webhook-timestamp': String(Math.floor(request.atMs / 1_000)) };
    const listed = (shown: readonly string[]): string => shown.map((signature) => `v1,${signature}`).join(' ');
    return {
      headers: { ...headers, [STANDARD_SIGNATURE_HEADER]: listed(signatures) },
      loggedHeaders: { ...headers, [STANDARD_SIGNATURE_HEADER]: listed(signatures.map(masked)) },
      signatures,
    };
  },
});

/** How a function's requests are signed: null when they are not, or why they cannot be. Never throws. */
export const prepareSigner = ({ id, orgId, signing }: CloudFunction, keyRing: KeyRing): Signer | SigningRefusal | null => {
  if (!signing.enabled) return null;
  if (signing.sealedSecret === null) return { reason: 'internal', detail: 'signing is on and has no secret' };
  const open = (sealed: string): string => keyRing.open(sealed, `${sameId(orgId)}:${sameId(id)}`);
  const untilMs = signing.previous === null ? 0 : Date.parse(signing.previous.expiresAt);
  try {
    const current = open(signing.sealedSecret);
    const before = signing.previous === null || untilMs <= Date.now() ? null : open(signing.previous.sealedSecret);
    if (signing.scheme === 'medchat') return medchatSigner({ current, previous: before === null ? null : { key: before, untilMs } });
    const key = standardWebhooksKey(current);
    if (key === null) return { reason: 'invalid_request', detail: 'the signing secret is not `whsec_` and base64' };
    const keyBefore = before === null ? null : standardWebhooksKey(before);
    return standardWebhooksSigner({ current: key, previous: keyBefore === null ? null : { key: keyBefore, untilMs } });
  } catch {
    return { reason: 'internal', detail: 'a signing secret of the function cannot be opened' };
  }
};
