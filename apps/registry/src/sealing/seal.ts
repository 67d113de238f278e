import { sameId } from '@cf/contract';
import type { KeyRing } from '@cf/service-kit';

/** Seals and opens the secrets of one resource: what is sealed for another does not open. */
export interface Seal {
  seal(plain: string): string;
  open(sealed: string): string;
}

export const sealOf = (keyRing: KeyRing, orgId: string, id: string): Seal => {
  const aad = `${sameId(orgId)}:${sameId(id)}`;
  return { seal: (plain) => keyRing.seal(plain, aad), open: (sealed) => keyRing.open(sealed, aad) };
};
