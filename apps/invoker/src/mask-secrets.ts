import { MASK } from './http/endpoint.js';

/** Hides secrets that an endpoint sent back. */
export const maskSecrets = (text: string, secrets: readonly string[]): string =>
  secrets.reduce((masked, secret) => (masked.includes(secret) ? masked.replaceAll(secret, MASK) : masked), text);
