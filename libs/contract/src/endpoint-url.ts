export type JoinRefusal =
  | 'invalid_base_url'
  | 'empty'
  | 'forbidden_character'
  | 'absolute_url'
  | 'fragment'
  | 'malformed_escape'
  | 'dot_segment'
  | 'outside_base';

export type JoinedUrl =
  | { readonly ok: true; readonly url: string }
  | { readonly ok: false; readonly code: JoinRefusal; readonly detail: string };

const refused = (code: JoinRefusal, detail: string): JoinedUrl => ({ ok: false, code, detail });

/** An escape of a slash, backslash, dot or percent sign: servers differ in when they decode these, so all readings are checked. */
const decodeOnce = (path: string): string =>
  path.replace(/%(2f|5c|2e|25)/gi, (escape) => String.fromCharCode(Number.parseInt(escape.slice(1), 16)));

/** `;x` behind a segment is a parameter to some servers, which then see a bare `..`. */
const isDotSegment = (segment: string): boolean => /^\.{1,2}(;.*)?$/.test(segment);

const hasDotSegment = (path: string): boolean => {
  if (/%2e/i.test(path)) return true;
  if (path.split(/[/\\]/).some(isDotSegment)) return true;
  const decoded = decodeOnce(path);
  return decoded !== path && hasDotSegment(decoded);
};

const parse = (url: string): URL | null => {
  try {
    return new URL(url);
  } catch {
    return null;
  }
};

const basePathOf = (base: URL): string => base.pathname.replace(/\/+$/, '');

const refuseRelative = (endpointUrl: string): JoinedUrl | null => {
  if (endpointUrl === '') return refused('empty', 'must not be empty');
  if (/[\p{Cc}\p{Cs}\s\\]/u.test(endpointUrl)) {
    return refused('forbidden_character', 'must not hold white space, control characters or backslashes');
  }
  if (endpointUrl.startsWith('//') || /^[^/?#]*:/.test(endpointUrl)) {
    return refused('absolute_url', 'must be relative to the base URL of the Registered API');
  }
  if (endpointUrl.includes('#')) return refused('fragment', 'must not hold a fragment');
  const path = endpointUrl.split('?', 1)[0] ?? '';
  if (/%(?![0-9a-f]{2})/i.test(path)) return refused('malformed_escape', 'holds a percent sign that begins no escape');
  if (hasDotSegment(path)) return refused('dot_segment', 'must not hold `.` or `..` segments or encoded dots');
  return null;
};

/**
 * Joins the base URL of a Registered API and the relative URL of a function (product.md §4): the base's path is kept, exactly
 * one slash lies between, a query is allowed, and the result never leaves the base. Used when a function is saved and again
 * when it is called, since the base may have changed meanwhile.
 */
export const joinEndpointUrl = (baseUrl: string, endpointUrl: string): JoinedUrl => {
  const base = parse(baseUrl);
  if (
    base === null ||
    !/^https?:$/.test(base.protocol) ||
    base.username !== '' ||
    base.password !== '' ||
    base.search !== '' ||
    base.hash !== ''
  ) {
    return refused('invalid_base_url', 'the base URL must be absolute, without user info, query and fragment');
  }
  const refusal = refuseRelative(endpointUrl);
  if (refusal !== null) return refusal;
  const under = `${base.origin}${basePathOf(base)}/`;
  const url = parse(`${under}${endpointUrl.replace(/^\//, '')}`);
  if (url === null || !url.href.startsWith(under) || url.username !== '' || url.hash !== '') {
    return refused('outside_base', 'must stay under the base URL');
  }
  return { ok: true, url: url.href };
};
