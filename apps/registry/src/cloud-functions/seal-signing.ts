import { type CloudFunction, unsigned } from '@cf/contract';
import type { ProblemError } from '@cf/service-kit';
import type { WriteCloudFunction } from './cloud-functions.schema.js';

export type SealedSigning =
  | { readonly ok: true; readonly signing: CloudFunction['signing'] }
  | { readonly ok: false; readonly errors: readonly ProblemError[] };

/** A secret that is left out is kept, null removes it, and nothing is signed without one. It never leaves in clear, so it stays whatever the API is. */
export const sealSigning = (
  { enabled, secret }: WriteCloudFunction['signing'],
  stored: CloudFunction['signing'] | null,
  seal: (plain: string) => string,
): SealedSigning => {
  const kept = stored?.sealedSecret ?? null;
  const sealedSecret = secret === undefined ? kept : secret === null ? null : seal(secret);
  if (enabled && sealedSecret === null) {
    return { ok: false, errors: [{ pointer: '/signing/secret', code: 'secret_required', detail: 'is required to sign' }] };
  }
  return { ok: true, signing: { ...(stored ?? unsigned), enabled, sealedSecret } };
};
