export interface ProblemError {
  /** JSON pointer into the request body, or the name of a query parameter. */
  readonly pointer: string;
  readonly code: string;
  readonly detail: string;
}

/** An answer of the HTTP API that is not a success, as RFC 9457 problem+json. `code` is stable, `detail` is for people. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly errors: readonly ProblemError[] = [],
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    this.name = 'Problem';
  }
}

export const notFound = (detail = 'There is no such thing here.'): Problem => new Problem(404, 'not_found', detail);
