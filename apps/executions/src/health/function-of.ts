import { sameId } from '@cf/contract';

/** What belongs to a cloud function of an organization. */
export interface FunctionOf {
  readonly orgId: string;
  readonly cloudFunctionId: string;
}

export const functionKey = ({ orgId, cloudFunctionId }: FunctionOf): string => `${sameId(orgId)}/${sameId(cloudFunctionId)}`;

export const byFunction = <T extends FunctionOf>(items: readonly T[]): Map<string, T[]> => {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(functionKey(item));
    if (group === undefined) groups.set(functionKey(item), [item]);
    else group.push(item);
  }
  return groups;
};

/** The function that all of a group are of. */
export const placeOf = ([first]: readonly FunctionOf[]): FunctionOf => {
  if (first === undefined) throw new Error('a group of nothing');
  return { orgId: first.orgId, cloudFunctionId: first.cloudFunctionId };
};

/** As two parameters of a statement. */
export const asArrays = (functions: readonly FunctionOf[]): [string[], string[]] => [
  functions.map(({ orgId }) => orgId),
  functions.map(({ cloudFunctionId }) => cloudFunctionId),
];
