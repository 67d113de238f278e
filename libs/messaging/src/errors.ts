/** Errors of the messaging layer carry a stable code and whether trying again can help; nobody reads message texts. */
export class MessagingError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly retryable: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A record was not appended. `retryable: false` only when it never can be (too large, unknown topic). */
export class PublishError extends MessagingError {}
