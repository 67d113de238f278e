import { sameId, type InvocationResult, type StepResult } from '@cf/contract';

/** What the recorder is told, from either source (guarantees.md §5). */
export type HeardResult =
  | { readonly source: 'invocation'; readonly result: InvocationResult }
  | { readonly source: 'step'; readonly result: StepResult; readonly orgId: string; readonly offset: number };

export const invocationIdOf = (heard: HeardResult): string =>
  sameId(heard.source === 'invocation' ? heard.result.request.invocationId : heard.result.invocationId);
