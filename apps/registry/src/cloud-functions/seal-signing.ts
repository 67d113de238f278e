import { type CloudFunction, type FunctionSigning, unsigned } from '@cf/contract';
import type { ProblemError } from '@cf/service-kit';
import type { Seal } from '../sealing/seal.js';
import type { WriteCloudFunction } from './cloud-functions.schema.js';
import { refuseSigningSecret } from './signing-rules.js';

/** Long enough for a customer's roll-out to their receivers on the next working day. */
const KEEP_PREVIOUS_MS = 24 * 3_600_000;

export type SealedSigning =
  | { readonly ok: true; readonly signing: CloudFunction['signing'] }
  | { readonly ok: false; readonly errors: readonly ProblemError[] };

const livePrevious = ({ previous }: FunctionSigning, nowMs: number): FunctionSigning['previous'] =>
  previous !== null && Date.parse(previous.expiresAt) > nowMs ? previous : null;

const until = (sealedSecret: string, ms: number, nowMs: number): FunctionSigning['previous'] =>
  ms === 0 ? null : { sealedSecret, expiresAt: new Date(nowMs + ms).toISOString() };

/**
 * A secret that is left out is kept, null removes it, and nothing is signed without one. A new one puts the old one aside for
 * `keepPreviousMs`; without a new one `keepPreviousMs` counts anew for the one put aside, so that 0 ends a rotation. Secrets never
 * leave in clear, so they stay whatever the API is.
 */
export const sealSigning = (
  { enabled, scheme, secret, keepPreviousMs }: WriteCloudFunction['signing'],
  stored: FunctionSigning | null,
  { seal, open }: Seal,
  nowMs: number,
): SealedSigning => {
  const before = stored ?? unsigned;
  const refuse = (code: string, detail: string): SealedSigning => ({ ok: false, errors: [{ pointer: '/signing/secret', code, detail }] });
  if (secret === null || (secret === undefined && before.sealedSecret === null)) {
    return enabled ? refuse('secret_required', 'is required to sign') : { ok: true, signing: { ...unsigned, scheme } };
  }
  const known = before.sealedSecret === null ? null : open(before.sealedSecret);
  const refusal = refuseSigningSecret(scheme, secret ?? known ?? '');
  if (refusal !== null) return refuse(refusal.code, refusal.detail);

  const aside = scheme === before.scheme ? livePrevious(before, nowMs) : null;
  if (before.sealedSecret !== null && (secret === undefined || secret === known)) {
    const previous = aside === null || keepPreviousMs === undefined ? aside : until(aside.sealedSecret, keepPreviousMs, nowMs);
    return { ok: true, signing: { enabled, scheme, sealedSecret: before.sealedSecret, previous } };
  }
  const replaced = scheme === before.scheme ? before.sealedSecret : null;
  const previous = replaced === null ? null : until(replaced, keepPreviousMs ?? KEEP_PREVIOUS_MS, nowMs);
  return { ok: true, signing: { enabled, scheme, sealedSecret: seal(secret ?? ''), previous } };
};

/** The same with every sealed value changed: sealed with another key. */
export const mapSigningSecrets = (signing: FunctionSigning, change: (sealed: string) => string): FunctionSigning => ({
  ...signing,
  sealedSecret: signing.sealedSecret === null ? null : change(signing.sealedSecret),
  previous: signing.previous === null ? null : { ...signing.previous, sealedSecret: change(signing.previous.sealedSecret) },
});
