/** Nest token of the application's `MessageLog`. */
export const MESSAGE_LOG = Symbol('MessageLog');
