/** The field lines of a head, and what they say of the message's framing. */
import { COLON, isBlank, LF, TOKEN, VALUE } from './chars.ts';
import type { HeadLimits } from './fault.ts';
import { HeadFault, malformed, tooLarge } from './fault.ts';
import type { FieldIndex } from './field-index.ts';
import { keyOf, keyOfName } from './field-index.ts';

const HOST = keyOfName('host');
const CONTENT_LENGTH = keyOfName('content-length');
const TRANSFER_ENCODING = keyOfName('transfer-encoding');
const CONNECTION = keyOfName('connection');

const CODINGS = /^[-!#$%&'*+.^_`|~0-9A-Za-z]+(?:[ \t]*,[ \t]*[-!#$%&'*+.^_`|~0-9A-Za-z]+)*$/;

/** Of a line, behind its name. A regular expression reads many bytes twice as fast as a loop over charCodeAt; names are short. */
const REST = /:[\t\x20-\x7e\x80-\xff]*\r\n/y;

/**
 * Fills the index from the field lines between `at` and `end`, which is where the empty line's CRLF stands.
 * None of the lines in between is empty: the caller has found the first empty one.
 */
export function scanFields(
  index: FieldIndex,
  at: number,
  end: number,
  limits: HeadLimits,
): HeadFault | undefined {
  const { text } = index;
  index.end = end;
  let next = at;
  while (next < end) {
    if (index.count === limits.headers) return tooLarge('too_many_fields');
    const start = next;
    let colon = start;
    while (TOKEN[text.charCodeAt(colon)] === 1) colon++;
    REST.lastIndex = colon;
    if (colon === start || !REST.test(text)) return lineFault(text, start);
    next = REST.lastIndex;
    let valueEnd = next - 2;
    if (valueEnd - start > limits.line) return tooLarge('field_line_too_long');
    let value = colon + 1;
    while (value < valueEnd && isBlank(text.charCodeAt(value))) value++;
    while (valueEnd > value && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--;
    const key = keyOf(colon - start, text.charCodeAt(start), text.charCodeAt(colon - 1));
    index.add(key, start, value, valueEnd);
    if (key === HOST || key === CONTENT_LENGTH || key === TRANSFER_ENCODING || key === CONNECTION) {
      const fault = noteFraming(index, key);
      if (fault !== undefined) return fault;
    }
  }
  return undefined;
}

/** Why the line is none. */
function lineFault(text: string, start: number): HeadFault {
  let at = start;
  while (TOKEN[text.charCodeAt(at)] === 1) at++;
  const code = text.charCodeAt(at);
  if (code !== COLON || at === start) return nameFault(code, at === start);
  at++;
  while (VALUE[text.charCodeAt(at)] === 1) at++;
  return malformed(text.charCodeAt(at) === LF ? 'bare_line_feed' : 'field_value_malformed');
}

function nameFault(code: number, isEmpty: boolean): HeadFault {
  if (isBlank(code)) return malformed(isEmpty ? 'line_folded' : 'space_before_colon');
  return malformed(code === LF ? 'bare_line_feed' : 'field_name_malformed');
}

/** The field just added may be one of those by which a message ends; a key alone doesn't say so. */
function noteFraming(index: FieldIndex, key: number): HeadFault | undefined {
  const field = index.count - 1;
  if (key === HOST && index.isNamed(field, 'host'))
    return index.find('host', HOST, 0) < field ? malformed('host_repeated') : undefined;
  if (key === CONTENT_LENGTH && index.isNamed(field, 'content-length'))
    return noteLength(index, field);
  if (key === TRANSFER_ENCODING && index.isNamed(field, 'transfer-encoding'))
    return noteCoding(index, field);
  if (key === CONNECTION && index.isNamed(field, 'connection'))
    noteConnection(index, index.value(field));
  return undefined;
}

function noteLength(index: FieldIndex, field: number): HeadFault | undefined {
  if (index.contentLength >= 0) return malformed('content_length_repeated');
  const length = index.decimal(field);
  if (length < 0) return malformed('content_length_malformed');
  index.contentLength = length;
  return index.isChunked ? malformed('content_length_with_transfer_encoding') : undefined;
}

function noteCoding(index: FieldIndex, field: number): HeadFault | undefined {
  if (index.isChunked) return malformed('transfer_encoding_repeated');
  if (index.contentLength >= 0) return malformed('content_length_with_transfer_encoding');
  // HTTP/1.0 has no codings: whoever forwards it may not know where the body ends.
  if (index.minorVersion === 0) return malformed('transfer_encoding_in_http10');
  const value = index.value(field);
  if (value.toLowerCase() !== 'chunked')
    return CODINGS.test(value)
      ? new HeadFault(501, 'transfer_encoding_unknown')
      : malformed('transfer_encoding_malformed');
  index.isChunked = true;
  return undefined;
}

/** `close` wins over `keep-alive`, whatever comes first; only HTTP/1.0 needs the latter. */
function noteConnection(index: FieldIndex, value: string): void {
  if (value === 'keep-alive') {
    index.saysKeepAlive = true;
    return;
  }
  for (const part of value.split(',')) {
    const option = part.trim().toLowerCase();
    if (option === 'close') index.saysClose = true;
    else if (option === 'keep-alive') index.saysKeepAlive = true;
  }
}
