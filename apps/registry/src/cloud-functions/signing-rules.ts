import type { FunctionSigning } from '@cf/contract';
import type { Refusal } from '../registered-apis/header-rules.js';

const PREFIX = 'whsec_';
/** As the Standard Webhooks specification has it. */
const KEY_BYTES = { min: 24, max: 64 };
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Any text signs in the platform's own scheme; Standard Webhooks says what its secrets look like. */
export const refuseSigningSecret = (scheme: FunctionSigning['scheme'], secret: string): Refusal | null => {
  if (scheme === 'medchat') return null;
  const encoded = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : null;
  const bytes = encoded !== null && BASE64.test(encoded) ? Buffer.from(encoded, 'base64').length : 0;
  if (bytes >= KEY_BYTES.min && bytes <= KEY_BYTES.max) return null;
  return { code: 'invalid_secret', detail: `must be \`${PREFIX}\` and ${KEY_BYTES.min} to ${KEY_BYTES.max} bytes in base64` };
};
