import { RequestMethod, SetMetadata, UseInterceptors } from '@nestjs/common';
import { METHOD_METADATA } from '@nestjs/common/constants.js';
import { describeHeader } from '@cf/service-kit';
import { ANSWERED_IN_TRANSACTION, type AnswerInTransaction } from './answered-in-transaction.js';
import { IdempotencyInterceptor } from './idempotency.interceptor.js';

const header = {
  name: 'Idempotency-Key',
  description:
    'The same key within 24 hours is the same request: it is handled once, and answered again with `Idempotency-Replayed: true`.',
  required: false,
  example: '4f1c2a9e-7d55-4c0b-9d0e-2b8a6f0e1c3d',
  problems: ['invalid_idempotency_key', 'idempotency_key_in_use', 'idempotency_key_reused'],
};

const isPost = (handler: unknown): boolean =>
  typeof handler === 'function' && Reflect.getMetadata(METHOD_METADATA, handler) === RequestMethod.POST;

/**
 * A controller whose POST routes take an `Idempotency-Key`. It is the outermost of its interceptors when it stands below the others,
 * right above the class.
 */
export const Idempotent = (): ClassDecorator => (controller) => {
  const prototype = controller.prototype as Record<string, unknown>;
  for (const method of Object.getOwnPropertyNames(prototype)) if (isPost(prototype[method])) describeHeader(prototype, method, header);
  UseInterceptors(IdempotencyInterceptor)(controller);
};

/**
 * A route whose whole effect is one transaction, which begins and ends with `keyedTransaction()`. `answerOf` makes of that
 * transaction's result what the route will answer.
 */
export const AnsweredInTransaction = <Result>(answerOf: (result: Result) => AnswerInTransaction): MethodDecorator =>
  SetMetadata(ANSWERED_IN_TRANSACTION, answerOf);
