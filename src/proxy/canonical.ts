/** The one place that makes a request's target and authority canonical; what comes out is matched and forwarded. */
import type { PathNormalization } from '../model/snapshot.ts';

export interface CanonicalTarget {
  readonly path: string;
  /** With leading '?', or ''. */
  readonly query: string;
}

export interface CanonicalAuthority {
  /** As forwarded: port kept if sent. */
  readonly authority: string;
  /** Lower case, without port. */
  readonly host: string;
  readonly port: number | undefined;
}

/** Most paths hold nothing of this and stay as they are. */
const NEEDS_WORK = /[%\\"<>{}|^`\x00-\x20\x7f-\uffff]|\/\.|\/\//;
const UNRESERVED = /^[-A-Za-z0-9._~]$/;
/** What BASE writes as %XX although it was sent plain. */
const TO_ENCODE = /["<>{}|^`\x00-\x20\x7f-\u{10ffff}]/gu;

const encoder = new TextEncoder();

function percentEncode(char: string): string {
  let out = '';
  for (const byte of encoder.encode(char))
    out += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return out;
}

function decodeUnreserved(path: string): string {
  return path.replaceAll(/%([0-9a-fA-F]{2})/g, (whole, hex: string) => {
    const char = String.fromCharCode(Number.parseInt(hex, 16));
    return UNRESERVED.test(char) ? char : whole;
  });
}

/** A dot segment with parameters is a dot segment; parameters reach to the next plain slash (CVE-2026-73551). */
const DOTS_WITH_PARAMETERS = /(^|\/)(\.\.?);[^/]*/g;

/** RFC 3986, 5.2.4. */
function removeDotSegments(path: string): string {
  if (!path.includes('/.')) return path;
  const out: string[] = [];
  const segments = path.split('/');
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    // Some backends cut a segment at its parameters before they look: `..;x` is `..` to them.
    const bare = segment.startsWith('.') ? (segment.split(';')[0] ?? '') : segment;
    if (bare === '..') {
      if (out.length > 1) out.pop();
      if (isLast) out.push('');
    } else if (bare === '.') {
      if (isLast) out.push('');
    } else out.push(segment);
  }
  const joined = out.join('/');
  return joined.startsWith('/') ? joined : `/${joined}`;
}

function normalise(path: string, mode: PathNormalization): string {
  if (mode === 'NONE') return path;
  let text = path;
  if (mode === 'DECODE_AND_MERGE_SLASHES')
    text = text.replaceAll(/%2f/gi, '/').replaceAll(/%5c/gi, '\\');
  if (text.includes(';')) text = text.replaceAll(DOTS_WITH_PARAMETERS, '$1$2');
  text = decodeUnreserved(text.replaceAll('\\', '/')).replaceAll(TO_ENCODE, (char) =>
    percentEncode(char),
  );
  text = removeDotSegments(text);
  return mode === 'BASE' ? text : text.replaceAll(/\/{2,}/g, '/');
}

/** Undefined = no path that anything may be decided on (400). `*` and authority-form targets are left to the caller. */
export function canonicalTarget(
  target: string,
  mode: PathNormalization,
): CanonicalTarget | undefined {
  const hash = target.indexOf('#');
  const text = hash < 0 ? target : target.slice(0, hash);
  const mark = text.indexOf('?');
  const raw = mark < 0 ? text : text.slice(0, mark);
  const query = mark < 0 ? '' : text.slice(mark);
  if (!raw.startsWith('/')) return undefined;
  if (!NEEDS_WORK.test(raw)) return { path: raw, query };
  if (raw.includes('\0')) return undefined;
  if (raw.includes('%00')) return undefined;
  const path = normalise(raw, mode);
  return path.startsWith('/') ? { path, query } : undefined;
}

/** RFC 9112, 3.2.2: then the host stands in the target and the Host header has no say. */
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)(.*)$/i;

export function splitAbsoluteForm(
  target: string,
): { authority: string; target: string } | undefined {
  const match = ABSOLUTE_FORM.exec(target);
  if (match === null) return undefined;
  const rest = match[2] ?? '';
  return { authority: match[1] ?? '', target: rest.startsWith('/') ? rest : `/${rest}` };
}

const HOST = /^(?:\[[0-9a-fA-F:.]+\]|[-A-Za-z0-9._~!$&'()+=;*%]+)$/;

/** Undefined = empty, with user information, or with a port that is none (400). */
export function canonicalAuthority(text: string): CanonicalAuthority | undefined {
  const colon = text.startsWith('[') ? text.indexOf(':', text.indexOf(']')) : text.indexOf(':');
  const name = colon < 0 ? text : text.slice(0, colon);
  if (!HOST.test(name)) return undefined;
  if (colon < 0) return { authority: text, host: name.toLowerCase(), port: undefined };
  const digits = text.slice(colon + 1);
  const port = Number(digits);
  if (!/^\d{1,5}$/.test(digits) || port > 65_535) return undefined;
  return { authority: text, host: name.toLowerCase(), port };
}
