/** Postgres refused a statement for good. Its parameters are left out: they hold bodies, and errors are logged. */
export class StatementRefused extends Error {
  readonly retryable = false;

  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = 'StatementRefused';
  }
}
