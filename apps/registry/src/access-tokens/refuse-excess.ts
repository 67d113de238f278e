import type { Scope } from '@cf/contract';
import type { Principal } from '@cf/registry-cache';
import { Problem } from '@cf/service-kit';

/**
 * A token can give no scope that it lacks (wire.md §2). Operators give any: revealing bodies is for named tokens of the
 * organization, and somebody has to make the first one.
 */
export const refuseExcessScopes = (principal: Principal, scopes: readonly Scope[]): void => {
  if (principal.type === 'operator') return;
  const errors = scopes.flatMap((scope, index) =>
    principal.scopes.includes(scope)
      ? []
      : [{ pointer: `/scopes/${index}`, code: 'missing_scope', detail: `the token in use lacks ${scope}` }],
  );
  if (errors.length > 0) throw new Problem(403, 'missing_scope', 'A token can give no scope that it lacks.', errors);
};

/** When a new token ends: a child has no later end than its parent, and the parent's where it asks for none. */
export const expiryWithin = (parentExpiresAt: Date | null, wanted: string | null): Date | null => {
  if (wanted === null) return parentExpiresAt;
  const expiresAt = new Date(wanted);
  if (parentExpiresAt === null || expiresAt <= parentExpiresAt) return expiresAt;
  const detail = `the token in use ends at ${parentExpiresAt.toISOString()}`;
  throw new Problem(403, 'outlives_parent', 'A token can make none that outlives it.', [
    { pointer: '/expiresAt', code: 'outlives_parent', detail },
  ]);
};
