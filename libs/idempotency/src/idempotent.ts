import { applyDecorators, SetMetadata, UseInterceptors } from '@nestjs/common';
import { IdempotencyInterceptor } from './idempotency.interceptor.js';
import { ANSWERED_IN_TRANSACTION, type AnswerInTransaction } from './answered-in-transaction.js';

/**
 * A controller whose POST routes take an `Idempotency-Key`. It is the outermost of its
 * interceptors when it stands below the others, right above the class.
 */
export const Idempotent = (): ClassDecorator => applyDecorators(UseInterceptors(IdempotencyInterceptor)) as ClassDecorator;

/**
 * A route whose whole effect is one transaction, which begins and ends with `keyedTransaction()`. `answerOf` makes of that
 * transaction's result what the route will answer.
 */
export const AnsweredInTransaction = <Result>(answerOf: (result: Result) => AnswerInTransaction): MethodDecorator =>
  SetMetadata(ANSWERED_IN_TRANSACTION, answerOf);
