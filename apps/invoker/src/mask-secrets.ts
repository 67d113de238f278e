import { MASK } from './http/endpoint.js';

const ESCAPE = /\\(?:u[0-9a-f]{4}|["\\/bfnrt])/gi;
/** One UTF-16 unit of what a text means, as it is written. */
const UNIT = new RegExp(`${ESCAPE.source}|[^]`, 'gi');

const meaningOf = (escape: string): string => JSON.parse(`"${escape.toLowerCase()}"`) as string;

/** JSON writers differ in what they escape, so a secret is looked for in what the text means. */
const maskEscaped = (text: string, secrets: readonly string[]): string => {
  const meaning = text.replace(ESCAPE, meaningOf);
  const found = secrets.filter((secret) => meaning.includes(secret));
  if (found.length === 0) return text;
  const units: string[] = text.match(UNIT) ?? [];
  for (const secret of found) {
    for (let at = meaning.indexOf(secret); at >= 0; at = meaning.indexOf(secret, at + secret.length)) {
      units.fill('', at, at + secret.length);
      units[at] = MASK;
    }
  }
  return units.join('');
};

/** Hides secrets that an endpoint sent back, as they are or as JSON writes them. */
export const maskSecrets = (text: string, secrets: readonly string[]): string => {
  const masked = secrets.reduce((rest, secret) => (rest.includes(secret) ? rest.replaceAll(secret, MASK) : rest), text);
  return secrets.length > 0 && masked.includes('\\') ? maskEscaped(masked, secrets) : masked;
};
