import { z } from 'zod';
import {
  cloudFunction,
  FUNCTION_TIMEOUT_MS,
  type FunctionSigning,
  functionSigning,
  joinEndpointUrl,
  MAX_CONCURRENCY,
  RETURN_VALUE_CHARS_MAX,
  uuid,
  writtenTime,
} from '@cf/contract';
import { pageQuery, queryFlag } from '@cf/service-kit';
import { answered } from '../http/answered.schema.js';
import { isSet, line, name, perhapsSetSecret, secretOf } from '../http/text.schema.js';
import type { CloudFunctionEntity } from './cloud-function.entity.js';
import { cloudFunctionOf } from './cloud-function.kind.js';

/** An editor shows one exit per option; a hundred is far beyond what a chatbot's author can lay out. */
const BRANCH_OPTIONS_MAX = 100;
const URL_CHARS_MAX = 2_048;
/** Webhook secrets are 32 to 64 bytes in base64; longer keys are hashed by HMAC anyway. */
const SIGNING_SECRET_CHARS_MAX = 512;

/** The rules for the relative part are the same under every base. */
const ANY_BASE = 'https://base.invalid';

const endpointUrl = z
  .string()
  .max(URL_CHARS_MAX)
  .superRefine((text, context) => {
    const joined = joinEndpointUrl(ANY_BASE, text);
    if (!joined.ok) context.addIssue({ code: 'custom', message: joined.detail, params: { code: joined.code } });
  });

/** An option longer than a return value may be could never be matched. */
const branchOptions = z
  .array(line(RETURN_VALUE_CHARS_MAX))
  .max(BRANCH_OPTIONS_MAX)
  .superRefine((options, context) => {
    options.forEach((option, index) => {
      if (options.indexOf(option) < index)
        context.addIssue({ code: 'custom', path: [index], message: 'is there twice', params: { code: 'duplicate' } });
    });
  });

/** A week: whoever cannot change a receiver by then does not rotate. */
const KEEP_PREVIOUS_MS_MAX = 7 * 24 * 3_600_000;

/** `secret: null` removes the secret; left out it is kept. `previousExpiresAt` is only read, and taken so that an answer can be sent back. */
const signing = z
  .strictObject({
    enabled: z.boolean(),
    scheme: functionSigning.shape.scheme,
    secret: secretOf(line(SIGNING_SECRET_CHARS_MAX).nullable()),
    keepPreviousMs: z.int().min(0).max(KEEP_PREVIOUS_MS_MAX).optional(),
    previousExpiresAt: z.unknown().optional(),
  })
  .transform(({ previousExpiresAt: _, ...given }) => given);

export const writeCloudFunction = z
  .strictObject({
    name,
    registeredApiId: uuid,
    endpointUrl,
    branchOptions: branchOptions.default([]),
    enabled: z.boolean().default(true),
    timeoutMs: z.int().min(FUNCTION_TIMEOUT_MS.min).max(FUNCTION_TIMEOUT_MS.max).default(FUNCTION_TIMEOUT_MS.default),
    maxConcurrency: z.int().min(MAX_CONCURRENCY.min).max(MAX_CONCURRENCY.max).default(MAX_CONCURRENCY.default),
    signing: signing.default({ enabled: false, scheme: 'medchat' }),
  })
  .meta({ id: 'WriteCloudFunction' });
export type WriteCloudFunction = z.infer<typeof writeCloudFunction>;

export const cloudFunctionExample: z.input<typeof writeCloudFunction> = {
  name: 'Schedule appointment',
  registeredApiId: 'b1b2a3d4-0000-4000-8000-000000000002',
  endpointUrl: 'appointments/schedule',
  branchOptions: ['Scheduled', 'NotScheduled'],
  timeoutMs: 10_000,
};

export const listCloudFunctions = z.object({
  ...pageQuery,
  name: line(200).optional(),
  enabled: queryFlag.optional(),
  registeredApiId: uuid.optional(),
});
export type ListCloudFunctions = z.infer<typeof listCloudFunctions>;

const signingAnswer = z.object({
  enabled: z.boolean(),
  scheme: functionSigning.shape.scheme,
  secret: perhapsSetSecret,
  previousExpiresAt: writtenTime.nullable(),
});

export const cloudFunctionAnswer = cloudFunction
  .extend({ signing: signingAnswer, circuitResetAt: writtenTime.nullable(), updatedAt: writtenTime, ...answered })
  .meta({ id: 'CloudFunction' });

export const answerCloudFunction = (row: CloudFunctionEntity): z.input<typeof cloudFunctionAnswer> => {
  const { signing: stored, ...fields } = cloudFunctionOf(row);
  return { ...fields, signing: answerSigning(stored), createdAt: row.createdAt.toISOString(), updatedAt: row.updatedAt.toISOString() };
};

const answerSigning = ({ enabled, scheme, sealedSecret, previous }: FunctionSigning): z.input<typeof signingAnswer> => ({
  enabled,
  scheme,
  secret: isSet(sealedSecret),
  previousExpiresAt: previous !== null && Date.parse(previous.expiresAt) > Date.now() ? previous.expiresAt : null,
});
