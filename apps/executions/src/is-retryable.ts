/** Coded errors say whether trying again can help; whatever says nothing does not. */
export const isRetryable = (error: unknown): boolean => (error as { retryable?: unknown } | null)?.retryable === true;
