import { type ChainedEntry, EMPTY_CHAIN, hashAfter, type Head } from './chain.js';

/**
 * - `missing_entry`: there are later entries, but not this one;
 * - `changed_entry`: the hash is not that of the entry and the hash before it;
 * - `missing_end`: the chain is known to have been longer;
 * - `other_hash`: whole in itself, but not with the hash that it is known to have had.
 */
export type Break = 'missing_entry' | 'changed_entry' | 'missing_end' | 'other_hash';

export interface Verification {
  readonly valid: boolean;
  /** The last entry that holds. Note it down: only a noted head shows that later entries were cut off. */
  readonly head: Head;
  readonly brokenAt: number | null;
  readonly reason: Break | null;
}

/** Goes along a chain from its first entry to its end. `known` are heads that it once had. */
export class ChainVerifier {
  private head: Head = EMPTY_CHAIN;
  private broken: { readonly at: number; readonly reason: Break } | null = null;

  constructor(private readonly known: readonly Head[]) {}

  /** False once the chain is broken: what comes after tells nothing more. */
  next({ sequence, hash, text }: ChainedEntry): boolean {
    const at = this.head.sequence + 1;
    if (sequence !== at) return this.breakAt(at, 'missing_entry');
    if (hash !== hashAfter(this.head.hash, text)) return this.breakAt(at, 'changed_entry');
    if (this.known.some((head) => head.sequence === at && head.hash !== hash)) return this.breakAt(at, 'other_hash');
    this.head = { sequence, hash };
    return true;
  }

  end(): Verification {
    const { head } = this;
    if (this.broken === null && this.known.some(({ sequence }) => sequence > head.sequence)) this.breakAt(head.sequence + 1, 'missing_end');
    return { valid: this.broken === null, head, brokenAt: this.broken?.at ?? null, reason: this.broken?.reason ?? null };
  }

  private breakAt(at: number, reason: Break): false {
    this.broken ??= { at, reason };
    return false;
  }
}
