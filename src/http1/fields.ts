/** The field lines of a head, and what they say of the message's framing. */
import { COLON, CR, LF, TOKEN, endOfValue, isBlank } from './chars.ts';
import type { HeadLimits } from './fault.ts';
import { HeadFault, malformed, tooLarge } from './fault.ts';
import type { FieldIndex } from './field-index.ts';
import { keyOf, keyOfName } from './field-index.ts';
import { textOf } from './latin1.ts';

const HOST = keyOfName('host');
const CONTENT_LENGTH = keyOfName('content-length');
const TRANSFER_ENCODING = keyOfName('transfer-encoding');
const CONNECTION = keyOfName('connection');
const KEEP_ALIVE = 'keep-alive';
const CHUNKED = 'chunked';
/** Longer numbers lose their last digits. */
const MAX_DIGITS = 15;
const DIGIT_0 = 48;

const CODINGS = /^[-!#$%&'*+.^_`|~0-9A-Za-z]+(?:[ \t]*,[ \t]*[-!#$%&'*+.^_`|~0-9A-Za-z]+)*$/;

/** Bytes that came, to before `to`. */
export interface Received {
  readonly bytes: Uint8Array;
  readonly to: number;
}

/** The first fault of the lines from `at` to the empty one, which ends before `to`; undefined = the index holds them all. */
export function scanFields(
  index: FieldIndex,
  { bytes, to }: Received,
  at: number,
  limits: HeadLimits,
): HeadFault | undefined {
  let next = at;
  while (next + 1 < to && !(bytes[next] === CR && bytes[next + 1] === LF)) {
    if (index.count === limits.headers) return tooLarge('too_many_fields');
    const start = next;
    let colon = start;
    while (colon < to && TOKEN[bytes[colon] as number] === 1) colon++;
    if (colon === start || colon === to || bytes[colon] !== COLON)
      return nameFault(colon < to ? (bytes[colon] as number) : CR, colon === start);
    let value = colon + 1;
    while (value < to && isBlank(bytes[value] as number)) value++;
    let valueEnd = endOfValue(bytes, value, to);
    if (valueEnd + 1 >= to || bytes[valueEnd] !== CR || bytes[valueEnd + 1] !== LF)
      return malformed(bytes[valueEnd] === LF ? 'bare_line_feed' : 'field_value_malformed');
    next = valueEnd + 2;
    if (valueEnd - start > limits.line) return tooLarge('field_line_too_long');
    while (valueEnd > value && isBlank(bytes[valueEnd - 1] as number)) valueEnd--;
    const key = keyOf(colon - start, bytes[start] as number, bytes[colon - 1] as number);
    index.add(key, start, value, valueEnd);
    if (key === HOST || key === CONTENT_LENGTH || key === TRANSFER_ENCODING || key === CONNECTION) {
      const fault = noteFraming(index, key, { bytes, name: start, value, end: valueEnd });
      if (fault !== undefined) return fault;
    }
  }
  if (next + 1 >= to) return malformed('head_unfinished');
  index.finish(next);
  return undefined;
}

function nameFault(code: number, isEmpty: boolean): HeadFault {
  if (isBlank(code)) return malformed(isEmpty ? 'line_folded' : 'space_before_colon');
  return malformed(code === LF ? 'bare_line_feed' : 'field_name_malformed');
}

/** Where a field stands in what was received. */
interface Place {
  readonly bytes: Uint8Array;
  readonly name: number;
  readonly value: number;
  readonly end: number;
}

const valueOf = ({ bytes, value, end }: Place): string => textOf(bytes, value, end);

/** In any case. `text` is in lower case, of letters and hyphens. */
function says(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const difference = (bytes[at + i] as number) ^ text.charCodeAt(i);
    // Upper and lower case differ in one bit; so do a hyphen and a carriage return, which isn't in here.
    if (difference !== 0 && difference !== 0x20) return false;
  }
  return true;
}

/** The field just added may be one of those by which a message ends; a key alone doesn't say so. */
function noteFraming(index: FieldIndex, key: number, place: Place): HeadFault | undefined {
  const { bytes, name } = place;
  if (key === HOST && says(bytes, name, 'host')) return noteHost(index);
  if (key === CONTENT_LENGTH && says(bytes, name, 'content-length'))
    return noteLength(index, place);
  if (key === TRANSFER_ENCODING && says(bytes, name, 'transfer-encoding'))
    return noteCoding(index, place);
  if (key === CONNECTION && says(bytes, name, 'connection')) noteConnection(index, place);
  return undefined;
}

function noteHost(index: FieldIndex): HeadFault | undefined {
  if (index.hostField >= 0) return malformed('host_repeated');
  index.hostField = index.count - 1;
  return undefined;
}

function noteLength(index: FieldIndex, place: Place): HeadFault | undefined {
  if (index.contentLength >= 0) return malformed('content_length_repeated');
  const length = decimal(place);
  if (length < 0) return malformed('content_length_malformed');
  index.contentLength = length;
  return index.isChunked ? malformed('content_length_with_transfer_encoding') : undefined;
}

/** A value that is digits alone; -1 = it is something else. */
function decimal({ bytes, value, end }: Place): number {
  if (end === value || end - value > MAX_DIGITS) return -1;
  let number = 0;
  for (let i = value; i < end; i++) {
    const digit = (bytes[i] as number) - DIGIT_0;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}

function noteCoding(index: FieldIndex, place: Place): HeadFault | undefined {
  if (index.isChunked) return malformed('transfer_encoding_repeated');
  if (index.contentLength >= 0) return malformed('content_length_with_transfer_encoding');
  // HTTP/1.0 has no codings: whoever forwards it may not know where the body ends.
  if (index.minorVersion === 0) return malformed('transfer_encoding_in_http10');
  const { bytes, value, end } = place;
  if (end - value !== CHUNKED.length || !says(bytes, value, CHUNKED))
    return CODINGS.test(valueOf(place))
      ? new HeadFault(501, 'transfer_encoding_unknown')
      : malformed('transfer_encoding_malformed');
  index.isChunked = true;
  return undefined;
}

/** `close` wins over `keep-alive`, whatever comes first; only HTTP/1.0 needs the latter. */
function noteConnection(index: FieldIndex, place: Place): void {
  const { bytes, value, end } = place;
  if (end - value === KEEP_ALIVE.length && says(bytes, value, KEEP_ALIVE)) {
    index.saysKeepAlive = true;
    return;
  }
  for (const part of valueOf(place).split(',')) {
    const option = part.trim().toLowerCase();
    if (option === 'close') index.saysClose = true;
    else if (option === 'keep-alive') index.saysKeepAlive = true;
  }
}
