// Verifies signed calls of Cloud Functions. Nothing but Node is needed; `body` is the bytes as they arrived, never parsed and printed again.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { buffer } from 'node:stream/consumers';

const TOLERANCE_SECONDS = 300;

const isEqual = (one, other) => {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
};

const isRecent = (unixSeconds) => Math.abs(Date.now() / 1000 - unixSeconds) <= TOLERANCE_SECONDS;

/** `path` is path and query as they arrived. `secrets`: two while one is rotated. Header names are in lower case. */
export const verifyMedchat = (secrets, path, headers, body) => {
  const seconds = Math.floor(Date.parse(headers['date']) / 1000);
  if (!isRecent(seconds)) return false;
  const md5 = createHash('md5').update(body).digest('base64');
  const signed = `POST\n${path}\n${seconds}\n${md5}`;
  const received = headers['x-medchat-signature-sha256'] ?? '';
  return secrets.some((secret) => isEqual(createHmac('sha256', secret).update(signed).digest('base64'), received));
};

export const verifyStandardWebhooks = (secrets, headers, body) => {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures = '' } = headers;
  if (!isRecent(Number(timestamp))) return false;
  return secrets.some((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
    const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64');
    return signatures.split(' ').some((signature) => isEqual(signature, `v1,${expected}`));
  });
};

// node verify.mjs <scheme> <secret> <path> '<name>: <value>'… < body
const [scheme, secret, path, ...lines] = process.argv.slice(2);
const headers = Object.fromEntries(lines.map((line) => /^(.*?): (.*)$/s.exec(line).slice(1)));
const body = await buffer(process.stdin);
const valid = scheme === 'medchat' ? verifyMedchat([secret], path, headers, body) : verifyStandardWebhooks([secret], headers, body);
console.log(valid ? 'valid' : 'refused');
process.exitCode = valid ? 0 : 1;
