import type { FailureReason, ResponseWarning } from '@cf/contract';
import type { Hint, TestResult } from './test-answer.js';

export interface TestedCall {
  readonly result: TestResult;
  /** The last exchange; null when nothing was called. */
  readonly exchange: {
    readonly durationMs: number;
    readonly responseHeaders: Readonly<Record<string, string>> | null;
    readonly responseBody: string | null;
  } | null;
  readonly timeoutMs: number;
  readonly branchOptions: readonly string[];
}

/** Above this share of the timeout an ordinary slow day becomes a failure. */
const SLOW_SHARE = 0.8;

const quoted = (text: string): string => `\`${text.length > 100 ? `${text.slice(0, 100)}…` : text}\``;
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

const jsonOf = (body: string | null): unknown => {
  try {
    return JSON.parse(body ?? '');
  } catch {
    return undefined;
  }
};

const typeOfReturned = (body: string | null): string => {
  const value = (jsonOf(body) as { returnValue?: unknown } | null | undefined)?.returnValue;
  if (value === undefined) return 'something that is not a string';
  return Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
};

const warnings: Readonly<Record<ResponseWarning, (call: TestedCall) => Hint>> = {
  not_json: () => ({ code: 'not_json', detail: 'the answer is no JSON: answer an object with a `returnValue`, or nothing' }),
  not_an_object: () => ({ code: 'not_an_object', detail: 'the answer is JSON and no object: answer `{"returnValue": "…"}`' }),
  unknown_encoding: () => ({ code: 'unknown_encoding', detail: 'the Content-Encoding is not one of gzip, deflate and br' }),
  undecodable: () => ({ code: 'undecodable', detail: 'the answer is not encoded as its Content-Encoding says' }),
  return_value_not_string: ({ exchange }) => ({
    code: 'return_value_not_string',
    detail: `returned ${typeOfReturned(exchange?.responseBody ?? null)}: returnValue must be a string`,
  }),
  return_value_too_long: () => ({ code: 'return_value_too_long', detail: 'returnValue may have 4,096 characters' }),
};

const reasons: Readonly<Partial<Record<FailureReason, (call: TestedCall) => Hint>>> = {
  timeout: ({ timeoutMs }) => ({
    code: 'timeout',
    detail: `no whole answer within ${seconds(timeoutMs)}: answer sooner or raise the timeout`,
  }),
  dns: () => ({ code: 'dns', detail: 'the host name does not resolve: is the base URL right?' }),
  tls: () => ({ code: 'tls', detail: 'no trusted TLS connection: check the certificate’s names, dates and issuer' }),
  connection: () => ({ code: 'connection', detail: 'no connection, or one that broke: is the endpoint up, and its port open to us?' }),
  auth_token: () => ({ code: 'auth_token', detail: 'the access token could not be had: check token URL, client id, secret and scope' }),
  response_too_large: () => ({
    code: 'response_too_large',
    detail: 'the answer is larger than what is read: 64 KiB of body, 64 KiB of headers',
  }),
  blocked_address: () => ({ code: 'blocked_address', detail: 'the address is not allowed: it must be public, and https' }),
  circuit_open: () => ({ code: 'circuit_open', detail: 'the function failed too often lately: reset its circuit, or wait half a minute' }),
  function_disabled: () => ({ code: 'function_disabled', detail: 'the function is disabled: enable it to test it' }),
  feature_disabled: () => ({ code: 'feature_disabled', detail: 'Cloud Functions are off for the organization' }),
  invalid_request: ({ result }) => ({
    code: 'invalid_request',
    detail: result.failureDetail ?? 'the request cannot be sent as it is configured',
  }),
};

const ofStatus = (status: number, headers: Readonly<Record<string, string>>): Hint | null => {
  if (status >= 300 && status <= 399)
    return {
      code: 'redirect',
      detail: `${status}: redirects are not followed; call ${quoted(headers['location'] ?? 'its target')} itself`,
    };
  if (status === 401 || status === 403)
    return { code: 'check_authorization', detail: `${status}: check the authorization of the Registered API` };
  if (status === 404 || status === 410) return { code: 'check_url', detail: `${status}: check base URL and endpoint URL` };
  if (status === 405) return { code: 'method', detail: '405: the endpoint must take POST' };
  if (status === 415) return { code: 'content_type', detail: '415: the endpoint must take `application/json; charset=utf-8`' };
  if (status === 429) return { code: 'too_many_requests', detail: '429: the endpoint limits its callers; lower maxConcurrency' };
  if (status >= 500) return { code: 'endpoint_failed', detail: `${status}: the endpoint failed; its own log says why` };
  return null;
};

const ofBranch = ({ result: { branchReason, nearMiss, returnValue, branch }, branchOptions }: TestedCall): Hint | null => {
  if (branch === null || returnValue === null || branchReason !== 'default_unknown_value') {
    return branchReason === 'default_empty'
      ? { code: 'no_return_value', detail: 'no `returnValue` came: the default branch is taken' }
      : null;
  }
  if (nearMiss !== null) return { code: 'near_miss', detail: `returned ${quoted(returnValue)}, the option is ${quoted(nearMiss)}` };
  const options = branchOptions.length === 0 ? 'there are none' : branchOptions.slice(0, 20).map(quoted).join(', ');
  return { code: 'unknown_value', detail: `returned ${quoted(returnValue)}, which is no Branch Option: ${options}` };
};

const isHtml = ({ exchange }: TestedCall): boolean =>
  /^text\/html\b/i.test(exchange?.responseHeaders?.['content-type'] ?? '') || /^\s*<(!doctype|html)/i.test(exchange?.responseBody ?? '');

/** What the exchange suggests, the likeliest cause first. */
export const giveHints = (call: TestedCall): Hint[] => {
  const { result, exchange, timeoutMs } = call;
  const isSlow = exchange !== null && result.failureReason !== 'timeout' && exchange.durationMs >= timeoutMs * SLOW_SHARE;
  return [
    isHtml(call) ? { code: 'html', detail: 'the answer is a web page (text/html): is the URL right?' } : null,
    result.failureReason === 'http_status' && result.httpStatus !== null
      ? ofStatus(result.httpStatus, exchange?.responseHeaders ?? {})
      : null,
    result.failureReason === null ? null : (reasons[result.failureReason]?.(call) ?? null),
    result.warning === null ? null : warnings[result.warning](call),
    ofBranch(call),
    isSlow ? { code: 'slow', detail: `took ${seconds(exchange.durationMs)} of ${seconds(timeoutMs)}` } : null,
  ].filter((hint) => hint !== null);
};
