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
