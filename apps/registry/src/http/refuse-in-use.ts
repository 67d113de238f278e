import { Problem } from '@cf/service-kit';

/** A 409 shows this many users; whoever has more must look at the list anyway. */
export const USERS_SHOWN_MAX = 100;

export interface User {
  readonly id: string;
  readonly name: string;
}

/** What others refer to stays; the answer says who they are. `path` is where the users are found. */
export const refuseInUse = (users: readonly User[], path: string): void => {
  if (users.length === 0) return;
  const errors = users.map(({ id, name }) => ({ pointer: `/${path}/${id}`, code: 'in_use', detail: name, id, name }));
  throw new Problem(
    409,
    'in_use',
    `It is used by ${users.length === USERS_SHOWN_MAX ? 'at least ' : ''}${users.length} of the ${path}.`,
    errors,
  );
};
