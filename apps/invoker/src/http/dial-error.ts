import type { AddressRule } from '@cf/service-kit';

export type DialFailure = 'dns' | 'tls' | 'connection' | 'blocked_address';

/** A connection that did not come about; nothing of a request was sent. The message names no address. */
export class DialError extends Error {
  constructor(
    readonly reason: DialFailure,
    message: string,
  ) {
    super(message);
    this.name = 'DialError';
  }
}

/** For operators: which rule kept which address of which host from being dialled. */
export interface AddressRefusal {
  readonly host: string;
  readonly address: string;
  readonly rule: AddressRule;
}

/** The code of a system's or DNS error. */
export const codeOf = (error: unknown): string => (error as { code?: string }).code ?? (error as Error).message;
