/**
 * Heads of HTTP/1.1 messages out of received bytes (as one latin1 string), strictly: what two parsers could read
 * differently is refused, never repaired. RFC 9112, and what request smuggling taught since.
 */
import { encodeReceivedTarget, CR, LF, SPACE, TARGET, TOKEN, VALUE } from './chars.ts';
import type { HeadLimits } from './fault.ts';
import { DEFAULT_LIMITS, HeadFault, malformed, tooLarge } from './fault.ts';
import { FieldIndex } from './field-index.ts';
import { scanFields } from './fields.ts';
import { RawRequestHead, RawResponseHead } from './raw-head.ts';

const LINE_END = '\r\n';
const HEAD_END = '\r\n\r\n';
const VERSION_LENGTH = 'HTTP/1.1'.length;
const SLASH = 47;
const DIGIT_0 = 48;
const DIGIT_1 = 49;

/** `incomplete`: so far nothing speaks against it, but the head hasn't ended. */
export type Parsed<Head> = Head | HeadFault | 'incomplete';

export interface ParseOptions<Head> {
  /** Of the connection. @default 'http' */
  readonly scheme?: 'http' | 'https';
  readonly limits?: HeadLimits;
  /** A head that nobody looks at any more: it is filled again instead of a new one. */
  readonly reuse?: Head;
}

/** A request head at the start of `text`; what follows it is left alone (`length` says where). */
export function parseRequest(
  text: string,
  options: ParseOptions<RawRequestHead> = {},
): Parsed<RawRequestHead> {
  const limits = options.limits ?? DEFAULT_LIMITS;
  // RFC 9112, 2.2: some clients end a body with one CRLF too many.
  const start = text.startsWith(LINE_END) ? 2 : 0;
  const end = text.indexOf(HEAD_END, start);
  if (end < 0) return unfinished(text, start, limits);
  const lineEnd = text.indexOf(LINE_END, start);
  if (lineEnd - start > limits.line) return new HeadFault(414, 'target_too_long');
  if (end + 4 - start > limits.headBytes) return tooLarge('head_too_large');
  const head = options.reuse ?? new RawRequestHead(new FieldIndex(), options.scheme ?? 'http');
  const { index } = head;
  index.reset(text);
  let at = start;
  while (TOKEN[text.charCodeAt(at)] === 1) at++;
  if (at === start || text.charCodeAt(at) !== SPACE) return lineFault(text, at, 'method_malformed');
  const method = methodOf(text, start, at);
  const targetStart = ++at;
  let seen = 0;
  let code = text.charCodeAt(at);
  while (TARGET[code] === 1) {
    seen |= code;
    code = text.charCodeAt(++at);
  }
  if (at === targetStart || code !== SPACE) return lineFault(text, at, 'request_line_malformed');
  const minor = minorVersion(text, at + 1);
  if (minor < 0 || at + 1 + VERSION_LENGTH !== lineEnd)
    return lineFault(text, lineEnd, 'version_unsupported');
  index.minorVersion = minor;
  const fault = scanFields(index, lineEnd + 2, end + 2, limits);
  if (fault !== undefined) return fault;
  const target = text.slice(targetStart, at);
  const authority = head.received('host');
  if (authority === undefined && minor === 1) return malformed('host_missing');
  if (text.charCodeAt(targetStart) !== SLASH && saysTwoHosts(target, authority ?? ''))
    return malformed('host_mismatch');
  head.begin(method, seen < 0x80 ? target : encodeReceivedTarget(target), authority ?? '');
  return head;
}

/** RFC 9112, 3.2.2 lets the target win; whoever reads the message next may let Host win. */
function saysTwoHosts(target: string, host: string): boolean {
  const named = /^https?:\/\/([^/?#]*)/i.exec(target)?.[1];
  return named !== undefined && host !== '' && named.toLowerCase() !== host.toLowerCase();
}

/** A response head at the start of `text`; 1xx heads are heads like others. */
export function parseResponse(
  text: string,
  options: ParseOptions<RawResponseHead> = {},
): Parsed<RawResponseHead> {
  const limits = options.limits ?? DEFAULT_LIMITS;
  const end = text.indexOf(HEAD_END);
  if (end < 0) return unfinished(text, 0, limits);
  const lineEnd = text.indexOf(LINE_END);
  if (lineEnd > limits.line) return tooLarge('status_line_too_long');
  if (end + 4 > limits.headBytes) return tooLarge('head_too_large');
  const head = options.reuse ?? new RawResponseHead(new FieldIndex());
  const { index } = head;
  index.reset(text);
  const minor = minorVersion(text, 0);
  if (minor < 0) return malformed('version_unsupported');
  index.minorVersion = minor;
  const status = statusAt(text, VERSION_LENGTH);
  if (status < 0) return malformed('status_malformed');
  let at = VERSION_LENGTH + 4;
  // Backends leave the blank out where there is no reason: there is only one way to read that.
  const reasonStart = at < lineEnd ? at + 1 : at;
  if (at < lineEnd && text.charCodeAt(at) !== SPACE) return malformed('status_malformed');
  at = reasonStart;
  while (VALUE[text.charCodeAt(at)] === 1) at++;
  if (at !== lineEnd) return lineFault(text, at, 'status_malformed');
  const fault = scanFields(index, lineEnd + 2, end + 2, limits);
  if (fault !== undefined) return fault;
  head.begin(status, reasonStart, lineEnd);
  return head;
}

/** No end yet: what can't become a head any more is refused now, or its sender would wait for a timeout. */
function unfinished(text: string, start: number, limits: HeadLimits): HeadFault | 'incomplete' {
  const first = text.charCodeAt(start);
  // A lone CR may be the first half of the CRLF that is let pass.
  if (text.length > start && TOKEN[first] !== 1 && text !== '\r')
    return malformed('start_line_malformed');
  for (let at = text.indexOf('\n', start); at >= 0; at = text.indexOf('\n', at + 1))
    if (at === start || text.charCodeAt(at - 1) !== CR) return malformed('bare_line_feed');
  const lineEnd = text.indexOf(LINE_END, start);
  // One more than the limit may be the first half of the line's end.
  const lineLength = lineEnd < 0 ? text.length - 1 - start : lineEnd - start;
  if (lineLength > limits.line) return new HeadFault(414, 'target_too_long');
  return text.length - start >= limits.headBytes ? tooLarge('head_too_large') : 'incomplete';
}

function lineFault(text: string, at: number, reason: string): HeadFault {
  return malformed(text.charCodeAt(at) === LF ? 'bare_line_feed' : reason);
}

/** -1 = it is no version that is spoken here. */
function minorVersion(text: string, at: number): number {
  if (!text.startsWith('HTTP/1.', at)) return -1;
  const digit = text.charCodeAt(at + VERSION_LENGTH - 1);
  return digit === DIGIT_1 ? 1 : digit === DIGIT_0 ? 0 : -1;
}

/** A blank and three digits from 100 to 599; -1 = something else. */
function statusAt(text: string, at: number): number {
  if (text.charCodeAt(at) !== SPACE) return -1;
  let status = 0;
  for (let i = at + 1; i < at + 4; i++) {
    const digit = text.charCodeAt(i) - DIGIT_0;
    if (!(digit >= 0 && digit <= 9)) return -1;
    status = status * 10 + digit;
  }
  return status >= 100 && status <= 599 ? status : -1;
}

/** The usual ones are constants, so that nothing is cut out of the text for them. */
function methodOf(text: string, start: number, end: number): string {
  if (end - start === 3) {
    if (text.startsWith('GET', start)) return 'GET';
    if (text.startsWith('PUT', start)) return 'PUT';
  } else if (end - start === 4) {
    if (text.startsWith('POST', start)) return 'POST';
    if (text.startsWith('HEAD', start)) return 'HEAD';
  }
  return text.slice(start, end);
}
