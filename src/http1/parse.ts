/**
 * Heads of HTTP/1.1 messages out of received bytes, strictly: what two parsers could read differently is refused, never
 * repaired. RFC 9112, and what request smuggling taught since. The bytes are looked at once; what is found of them is
 * places in a latin1 text that is cut out when the head is whole.
 */
import { CR, LF, SPACE, TARGET, TOKEN, encodeReceivedTarget, endOfValue } from './chars.ts';
import type { HeadLimits } from './fault.ts';
import { DEFAULT_LIMITS, HeadFault, malformed, tooLarge } from './fault.ts';
import { FieldIndex } from './field-index.ts';
import { scanFields } from './fields.ts';
import type { Received } from './fields.ts';
import { bytesOf, textOf } from './latin1.ts';
import type { TextOf } from './latin1.ts';
import { RawRequestHead, RawResponseHead } from './raw-head.ts';

const LINE_END = '\r\n';
const HEAD_END = '\r\n\r\n';
const VERSION = Uint8Array.from('HTTP/1.', (char) => char.charCodeAt(0));
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
  /** Bytes as latin1 text, where a runtime does it faster. @default portable */
  readonly textOf?: TextOf;
}

/** A request head at the start of `text`; what follows it is left alone (`length` says where). */
export function parseRequest(
  text: string,
  options: ParseOptions<RawRequestHead> = {},
): Parsed<RawRequestHead> {
  // RFC 9112, 2.2: some clients end a body with one CRLF too many.
  const start = text.startsWith(LINE_END) ? 2 : 0;
  const end = text.indexOf(HEAD_END, start) + HEAD_END.length;
  if (end < HEAD_END.length) return unfinished(text, start, options.limits ?? DEFAULT_LIMITS);
  return parseRequestBytes(bytesOf(text, end), 0, end, options);
}

/** A response head at the start of `text`; 1xx heads are heads like others. */
export function parseResponse(
  text: string,
  options: ParseOptions<RawResponseHead> = {},
): Parsed<RawResponseHead> {
  const end = text.indexOf(HEAD_END) + HEAD_END.length;
  if (end < HEAD_END.length) return unfinished(text, 0, options.limits ?? DEFAULT_LIMITS);
  return parseResponseBytes(bytesOf(text, end), 0, end, options);
}

/** The same of bytes in one place, from `from` to before `to`. They may be overwritten behind the call. */
export function parseRequestBytes(
  bytes: Uint8Array,
  from: number,
  to: number,
  options: ParseOptions<RawRequestHead> = {},
): Parsed<RawRequestHead> {
  const { limits = DEFAULT_LIMITS } = options;
  const start = to - from > 1 && bytes[from] === CR && bytes[from + 1] === LF ? from + 2 : from;
  const part = { bytes, from, to, start };
  let at = start;
  while (at < to && TOKEN[bytes[at] as number] === 1) at++;
  if (at === start || at === to || bytes[at] !== SPACE)
    return failed(part, options, lineFault(part, at, 'method_malformed'));
  const methodEnd = at++;
  let seen = 0;
  while (at < to && TARGET[bytes[at] as number] === 1) seen |= bytes[at++] as number;
  if (at === methodEnd + 1 || at === to || bytes[at] !== SPACE)
    return failed(part, options, lineFault(part, at, 'request_line_malformed'));
  const targetEnd = at++;
  const minor = minorVersion(bytes, at, to);
  at += VERSION_LENGTH;
  if (minor < 0 || at + 1 >= to || bytes[at] !== CR || bytes[at + 1] !== LF)
    return failed(
      part,
      options,
      lineFault(part, endOfLine(part, targetEnd), 'version_unsupported'),
    );
  const head = options.reuse ?? new RawRequestHead(new FieldIndex(), options.scheme ?? 'http');
  const { index } = head;
  index.reset(from, minor);
  const fault =
    at - start > limits.line
      ? new HeadFault(414, 'target_too_long')
      : scanFields(index, part, at + 2, limits);
  if (fault !== undefined) return failed(part, options, fault);
  if (from + head.length - start > limits.headBytes) return tooLarge('head_too_large');
  const text = (options.textOf ?? textOf)(bytes, from, from + head.length);
  index.text = text;
  const target = text.slice(methodEnd + 1 - from, targetEnd - from);
  const authority = index.host;
  if (authority === undefined && minor === 1) return malformed('host_missing');
  if (bytes[methodEnd + 1] !== SLASH && saysTwoHosts(target, authority ?? ''))
    return malformed('host_mismatch');
  const method = methodOf(text, start - from, methodEnd - from);
  head.begin(method, seen < 0x80 ? target : encodeReceivedTarget(target), authority ?? '');
  return head;
}

/** As parseRequestBytes. */
export function parseResponseBytes(
  bytes: Uint8Array,
  from: number,
  to: number,
  options: ParseOptions<RawResponseHead> = {},
): Parsed<RawResponseHead> {
  const { limits = DEFAULT_LIMITS } = options;
  const part = { bytes, from, to, start: from };
  const minor = minorVersion(bytes, from, to);
  if (minor < 0) return failed(part, options, malformed('version_unsupported'));
  const status = statusAt(bytes, from + VERSION_LENGTH, to);
  if (status < 0) return failed(part, options, malformed('status_malformed'));
  let at = from + VERSION_LENGTH + 4;
  // Backends leave the blank out where there is no reason: there is only one way to read that.
  if (at < to && bytes[at] === SPACE) at++;
  else if (at >= to || bytes[at] !== CR)
    return failed(part, options, malformed('status_malformed'));
  const reasonStart = at;
  at = endOfValue(bytes, at, to);
  if (at + 1 >= to || bytes[at] !== CR || bytes[at + 1] !== LF)
    return failed(part, options, lineFault(part, at, 'status_malformed'));
  const head = options.reuse ?? new RawResponseHead(new FieldIndex());
  const { index } = head;
  index.reset(from, minor);
  const fault =
    at - from > limits.line
      ? tooLarge('status_line_too_long')
      : scanFields(index, part, at + 2, limits);
  if (fault !== undefined) return failed(part, options, fault);
  if (head.length > limits.headBytes) return tooLarge('head_too_large');
  index.text = (options.textOf ?? textOf)(bytes, from, from + head.length);
  head.begin(status, reasonStart - from, at - from);
  return head;
}

/** RFC 9112, 3.2.2 lets the target win; whoever reads the message next may let Host win. */
function saysTwoHosts(target: string, host: string): boolean {
  const named = /^https?:\/\/([^/?#]*)/i.exec(target)?.[1];
  return named !== undefined && host !== '' && named.toLowerCase() !== host.toLowerCase();
}

/** What is read begins at `from`, its head at `start`. */
interface Part extends Received {
  readonly from: number;
  readonly start: number;
}

/** A head that hasn't ended is refused for little: what comes next may mend the line that looks broken. */
function failed(
  { bytes, from, to, start }: Part,
  options: ParseOptions<unknown>,
  fault: HeadFault,
): HeadFault | 'incomplete' {
  const text = (options.textOf ?? textOf)(bytes, from, to);
  const isWhole = text.includes(HEAD_END, start - from);
  return isWhole ? fault : unfinished(text, start - from, options.limits ?? DEFAULT_LIMITS);
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

function lineFault({ bytes, to }: Part, at: number, reason: string): HeadFault {
  return malformed(at < to && bytes[at] === LF ? 'bare_line_feed' : reason);
}

/** The first line feed or carriage return. */
function endOfLine({ bytes, to }: Part, from: number): number {
  let at = from;
  while (at < to && bytes[at] !== LF && bytes[at] !== CR) at++;
  return at;
}

/** -1 = it is no version that is spoken here. */
function minorVersion(bytes: Uint8Array, at: number, to: number): number {
  if (at + VERSION_LENGTH > to) return -1;
  for (let i = 0; i < VERSION.length; i++) if (bytes[at + i] !== VERSION[i]) return -1;
  const digit = bytes[at + VERSION_LENGTH - 1];
  return digit === DIGIT_1 ? 1 : digit === DIGIT_0 ? 0 : -1;
}

/** A blank and three digits from 100 to 599; -1 = something else. */
function statusAt(bytes: Uint8Array, at: number, to: number): number {
  if (at + 4 > to || bytes[at] !== SPACE) return -1;
  let status = 0;
  for (let i = at + 1; i < at + 4; i++) {
    const digit = (bytes[i] as number) - DIGIT_0;
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
