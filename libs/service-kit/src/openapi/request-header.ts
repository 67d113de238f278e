/** A request header that a route reads, as the OpenAPI document shows it. */
export interface RequestHeader {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
  readonly example: string;
  /** Codes of docs/errors.md that the header brings with it. */
  readonly problems: readonly string[];
}

const REQUEST_HEADERS = 'cf:request-headers';

/** Says that a route reads this header; for decorators that read one (of a parameter or of a route). */
export const describeHeader = (controller: object, method: string | symbol, header: RequestHeader): void =>
  Reflect.defineMetadata(REQUEST_HEADERS, [...requestHeadersOf(controller, method), header], controller, method);

/** `controller` is the prototype. */
export const requestHeadersOf = (controller: object, method: string | symbol): readonly RequestHeader[] =>
  (Reflect.getMetadata(REQUEST_HEADERS, controller, method) as RequestHeader[] | undefined) ?? [];
