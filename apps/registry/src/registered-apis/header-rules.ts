/**
 * Set by the invoker or by the connection; a customer's value would break the framing, the contract or the trace.
 * The second line is what Node's HTTP clients refuse to send or what changes hop by hop, the third what signing sets.
 * `User-Agent` and `Accept` are the customer's to choose: nothing depends on them.
 */
const FORBIDDEN = new Set([
  ...['host', 'content-length', 'transfer-encoding', 'connection', 'content-type', 'content-encoding', 'traceparent'],
  ...['expect', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade'],
  ...['date', 'x-medchat-signature-sha256', 'webhook-id', 'webhook-timestamp', 'webhook-signature'],
]);

/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Visible characters of Latin-1, space and tab: what a header field may hold, and no CR, LF or other control character. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

export interface Refusal {
  readonly code: string;
  readonly detail: string;
}

export const refuseHeaderName = (name: string): Refusal | null => {
  if (!TOKEN.test(name)) return { code: 'invalid_header_name', detail: "must be a header name: letters, digits and !#$%&'*+-.^_`|~" };
  const lower = name.toLowerCase();
  if (FORBIDDEN.has(lower) || lower.startsWith('x-cloud-function-'))
    return { code: 'forbidden_header', detail: `${name} is set by Cloud Functions itself` };
  return null;
};

export const refuseHeaderValue = (value: string): Refusal | null =>
  FIELD_VALUE.test(value)
    ? null
    : { code: 'invalid_header_value', detail: 'must not hold line breaks, control characters or characters beyond Latin-1' };
