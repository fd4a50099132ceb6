/** Credentials of HTTP Basic (RFC 7617), strictly. */

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

const MAX_BYTES = 512;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** HMAC fills a short key up with NULs: a password with some behind it would have the same hash. */
const CONTROL = /[\x00-\x1f\x7f-\x9f]/;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Undefined = none came; other schemes are somebody else's. */
export function parseCredentials(values: readonly string[]): Credentials | 'malformed' | undefined {
  if (!values.some((value) => /^\s*basic(?:\s|$)/i.test(value) || /,\s*basic\s/i.test(value)))
    return undefined;
  const [value = '', ...others] = values;
  // Two of them, joined or not: a backend might read the other one.
  if (others.length > 0) return 'malformed';
  const [, text = ''] = /^basic +([^ ]+)$/i.exec(value) ?? [];
  if (text === '' || text.length > (MAX_BYTES / 3) * 4 + 4 || !BASE64.test(text))
    return 'malformed';
  let decoded: string;
  try {
    decoded = utf8.decode(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)));
  } catch {
    return 'malformed';
  }
  const colon = decoded.indexOf(':');
  if (colon < 1 || CONTROL.test(decoded)) return 'malformed';
  return { user: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}
