import { AnsweredInTransaction } from '@cf/idempotency';
import type { Written } from '../change-log/change-log.js';
import { etagOf } from './if-match.js';
import type { Versioned } from './versioned.interceptor.js';

/** On a POST whose transaction is the change log's: what it answers is kept for its `Idempotency-Key`. */
export const KeepsAnswer = <T>(written: (written: Written<T>) => Versioned): MethodDecorator =>
  AnsweredInTransaction((result: T) => {
    const { answer, version } = written({ result, pending: false });
    return { headers: { etag: etagOf(version) }, body: answer };
  });
