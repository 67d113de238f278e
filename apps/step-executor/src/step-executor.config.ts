import { STEP_IDEMPOTENCY_MS } from '@cf/contract';
import { readConfig, whole } from '@cf/service-kit';
import { z } from 'zod';

export const STEP_EXECUTOR_CONFIG = Symbol('STEP_EXECUTOR_CONFIG');

/** Settings of the step executor, with unit, default and consequence. */
export const stepExecutorSchema = z.object({
  /** ms that a request id stays an idempotency key; it is read back at each assignment, so longer makes taking over slower. */
  STEP_RESULTS_WINDOW_MS: whole(60_000, 24 * 60 * 60_000).default(STEP_IDEMPOTENCY_MS),
  /** Bytes of recent results kept to answer repeats; beyond it the oldest are forgotten and a repeat of them is a new call. 128 MiB ≈ 170,000 results. */
  STEP_RESULTS_BYTES_MAX: whole(1024 * 1024, 4 * 1024 * 1024 * 1024).default(128 * 1024 * 1024),
  /** Records read back of one partition; 100,000 results in 10 min are 160 steps/s on that partition alone. */
  STEP_READ_BACK_RECORDS_MAX: whole(1_000, 10_000_000).default(100_000),
  /** Steps that wait for a result at once; a waiting step is a promise and a timer, about 4 KB. More of them are answered `rate_limited` at once, since results must never queue behind requests. */
  STEP_PENDING_MAX: whole(100, 200_000).default(50_000),
});
export type StepExecutorConfig = z.infer<typeof stepExecutorSchema>;

export const readStepExecutorConfig = (): StepExecutorConfig => readConfig(stepExecutorSchema);
