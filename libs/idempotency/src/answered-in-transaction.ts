export const ANSWERED_IN_TRANSACTION = 'cf:answered-in-transaction';

export interface AnswerInTransaction {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}
