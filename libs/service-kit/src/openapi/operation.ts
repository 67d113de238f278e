import { SetMetadata } from '@nestjs/common';
import type { z } from 'zod';

/** A schema is answered as JSON, a media type such as `text/event-stream` as it is, null has no body. */
export type Answered = z.ZodType | `${string}/${string}` | null;

/**
 * What the OpenAPI document says of a route beyond what its decorators and pipes say already: path, parameters, request schema, scope, success
 * status and the problems that follow from them are taken from the code (`tools/documents/openapi.ts`).
 */
export interface OperationText {
  /** One line, as an order: `Create a trigger`. */
  readonly summary: string;
  readonly description?: string;
  /** The body of the success. Named by `.meta({ id })` a schema becomes a component. */
  readonly answer: Answered;
  /** Bodies of other statuses that are no problems. */
  readonly otherAnswers?: Readonly<Record<number, Answered>>;
  /** The answer is one resource with a version: it has an `ETag`. */
  readonly versioned?: boolean;
  /** A body that no `ZodPipe` reads, by media type. */
  readonly body?: Readonly<Record<string, z.ZodType>>;
  /** A request body that a test sends; ids of other resources in it are replaced by real ones there. */
  readonly example?: unknown;
  /** Request headers that no parameter decorator reads, with what they are for. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Codes of docs/errors.md that only this route knows. */
  readonly problems?: readonly string[];
}

const OPERATION = 'cf:operation';

/** Documents a route. Every route has one: a test compares the router with the document. */
export const Operation = (text: OperationText): MethodDecorator => SetMetadata(OPERATION, text);

export const operationOf = (handler: object): OperationText | undefined =>
  Reflect.getMetadata(OPERATION, handler) as OperationText | undefined;
