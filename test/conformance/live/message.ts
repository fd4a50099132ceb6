/** HTTP/1.1 as it stands on the wire: read by hand, so that neither client nor backend repairs anything. */

export interface Message {
  /** Request or status line. */
  readonly line: string;
  /** Lower-case names, in order. */
  readonly fields: readonly (readonly [string, string])[];
  readonly body: string;
  /** Characters that it took. */
  readonly length: number;
}

const HEAD_END = '\r\n\r\n';
const LAST_CHUNK = '0\r\n\r\n';

/** @param text latin1. @param isBodiless whatever the fields say. Undefined = more must come. */
export function readMessage(text: string, isBodiless: boolean): Message | undefined {
  const end = text.indexOf(HEAD_END);
  if (end < 0) return undefined;
  const [line = '', ...lines] = text.slice(0, end).split('\r\n');
  const fields = lines.map((one): [string, string] => {
    const colon = one.indexOf(':');
    return [one.slice(0, colon).toLowerCase(), one.slice(colon + 1).trim()];
  });
  const start = end + HEAD_END.length;
  const valueOf = (name: string): string | undefined => fields.find(([one]) => one === name)?.[1];
  const head = { line, fields };
  if (isBodiless) return { ...head, body: '', length: start };
  if (valueOf('transfer-encoding') !== undefined) {
    const body = readChunks(text.slice(start));
    return body && { ...head, body: body.text, length: start + body.length };
  }
  const stop = start + Number(valueOf('content-length') ?? 0);
  return text.length < stop ? undefined : { ...head, body: text.slice(start, stop), length: stop };
}

function readChunks(text: string): { text: string; length: number } | undefined {
  let [at, body] = [0, ''];
  while (!text.startsWith(LAST_CHUNK, at)) {
    const lineEnd = text.indexOf('\r\n', at);
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    const start = lineEnd + 2;
    if (lineEnd < 0 || text.length < start + size + 2) return undefined;
    if (size === 0) return readTrailers(text, start, body);
    body += text.slice(start, start + size);
    at = start + size + 2;
  }
  return { text: body, length: at + LAST_CHUNK.length };
}

function readTrailers(
  text: string,
  start: number,
  body: string,
): { text: string; length: number } | undefined {
  const end = text.indexOf(HEAD_END, start);
  return end < 0 ? undefined : { text: body, length: end + HEAD_END.length };
}
